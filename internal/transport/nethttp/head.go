package nethttp

import (
	"net/http"
	"net/netip"
	"net/textproto"
	"slices"
	"strings"

	"github.com/naru-rpc/naru/internal/transport"
)

func netipAddrPort(host, port string) (netip.AddrPort, error) {
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return netip.ParseAddrPort(host + ":" + port)
}

// requestHead is r's header section. The path is the one a handler is to go by, as http.StripPrefix
// leaves it, with the bytes that came: net/http decodes nothing that is in no need of it.
func requestHead(r *http.Request, size, fields uint32) *transport.RequestHead {
	head := &transport.RequestHead{
		Method: r.Method, Scheme: "http", Authority: r.Host, Path: r.URL.RequestURI(),
	}
	if r.TLS != nil {
		head.Scheme = "https"
	}
	named := r.Header["Connection"]
	for key, values := range r.Header {
		if hopByHop(key, named) {
			continue
		}
		name := strings.ToLower(key)
		for _, v := range values {
			head.Fields = append(head.Fields, transport.Field{Name: name, Value: v})
		}
	}
	// The header is a map: in one order, calls of the same client share what is kept of it.
	slices.SortStableFunc(head.Fields, func(a, b transport.Field) int { return strings.Compare(a.Name, b.Name) })
	head.Oversize = oversize(head, size, fields)
	if head.Oversize != nil {
		head.Fields = cutFields(head.Fields, size, fields)
	}
	return head
}

// hopByHop reports whether a field is about the connection, named: those that Connection names.
// RFC 9113 §8.2.2 has none of them in a request.
func hopByHop(key string, named []string) bool {
	switch key {
	case "Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade", "Trailer":
		return true
	}
	for _, list := range named {
		for name := range strings.SplitSeq(list, ",") {
			if textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name)) == key {
				return true
			}
		}
	}
	return false
}

// listSize is the size of a header list, RFC 9113 §6.5.2.
func listSize(head *transport.RequestHead) uint64 {
	n := len(head.Method) + len(head.Scheme) + len(head.Authority) + len(head.Path) +
		len(":method:scheme:authority:path") + 4*32
	for i := range head.Fields {
		n += len(head.Fields[i].Name) + len(head.Fields[i].Value) + 32
	}
	return uint64(n)
}

func oversize(head *transport.RequestHead, size, fields uint32) *transport.Error {
	n, count := listSize(head), len(head.Fields)+4
	if (size == 0 || n <= uint64(size)) && (fields == 0 || uint64(count) <= uint64(fields)) {
		return nil
	}
	return transport.HeaderListOver(n, uint64(count), size, fields)
}

// cutFields returns those that fit: the content type above all, by which a refusal goes.
func cutFields(all []transport.Field, size, fields uint32) []transport.Field {
	var fit []transport.Field
	left := int64(size)
	take := func(f *transport.Field) {
		n := int64(len(f.Name) + len(f.Value) + 32)
		if (size == 0 || n <= left) && (fields == 0 || len(fit) < int(fields)) {
			fit, left = append(fit, *f), left-n
		}
	}
	for i := range all {
		if all[i].Name == "content-type" {
			take(&all[i])
		}
	}
	for i := range all {
		if all[i].Name != "content-type" {
			take(&all[i])
		}
	}
	return fit
}

// codeCancel, RFC 9113 §7.
const codeCancel = 0x8
