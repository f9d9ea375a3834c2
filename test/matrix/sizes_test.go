package matrix

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/test/internal/pair"
	"github.com/naru-rpc/naru/test/internal/racing"
)

// A subject is what is large in a row.
type subject string

const (
	requestHeader   subject = "request header"
	responseHeader  subject = "response header"
	trailer         subject = "trailer"
	details         subject = "details"
	requestFields   subject = "request fields"
	responseFields  subject = "response fields"
	trailerFields   subject = "trailer fields"
	requestMessage  subject = "request message"
	responseMessage subject = "response message"
)

var subjects = []subject{
	requestHeader, responseHeader, trailer, details, requestFields, responseFields, trailerFields, requestMessage, responseMessage,
}

// A degree is how large, beside the limit.
type degree string

const (
	below    degree = "below"
	at       degree = "at"
	above    degree = "just above"
	farAbove degree = "far above"
)

var degrees = []degree{below, at, above, farAbove}

// A setting is the limits of both ends.
type setting struct {
	name           string
	server, client pair.Limits
}

var settings = []setting{
	{name: "defaults"},
	{
		name:   "small",
		server: pair.Limits{HeaderList: 8 << 10, Receive: 64 << 10},
		client: pair.Limits{HeaderList: 8 << 10, Receive: 64 << 10},
	},
	{ // the sender's own limits come first
		name:   "small sends",
		server: pair.Limits{Send: 64 << 10},
		client: pair.Limits{Send: 64 << 10},
	},
	{ // a proxy or an older client before a generous server
		name:   "narrow client",
		server: pair.Limits{HeaderList: 64 << 10, Receive: 1 << 20},
		client: pair.Limits{HeaderList: 4 << 10, Receive: 16 << 10},
	},
	{ // and the reverse
		name:   "narrow server",
		server: pair.Limits{HeaderList: 4 << 10, Receive: 16 << 10},
		client: pair.Limits{HeaderList: 64 << 10, Receive: 1 << 20},
	},
}

// limit returns the limit that a subject meets first, 0 if there is none, or if another is met
// before.
func (s setting) limit(c combination, what subject) int {
	serverList, clientList := cmp.Or(s.server.HeaderList, c.server.HeaderList), cmp.Or(s.client.HeaderList, c.client.HeaderList)
	switch what {
	case requestHeader:
		return serverList
	case responseHeader, trailer, details:
		return clientList
	case requestFields:
		return fieldsBelow(c.server.Fields, serverList)
	case responseFields, trailerFields:
		return fieldsBelow(c.client.Fields, clientList)
	case requestMessage:
		return firstLimit(s.client.Send, cmp.Or(s.server.Receive, c.server.Receive))
	default:
		return firstLimit(s.server.Send, cmp.Or(s.client.Receive, c.client.Receive))
	}
}

func firstLimit(sends, receives int) int {
	if sends == 0 {
		return receives
	}
	return min(sends, receives)
}

// fieldsBelow is the limit of fields if so many small ones stay below that of bytes.
func fieldsBelow(fields, bytes int) int {
	const small = 48
	if fields*small > bytes {
		return 0
	}
	return fields
}

// reachable leaves out grpc-go's 16 MiB of header fields, which no program comes near.
const reachable = 8 << 20

// amount returns how large a subject is in a row, in the unit of its limit.
func amount(limit int, what subject, d degree, tr transport) int {
	step, far := 1, 3
	switch what {
	case requestHeader, responseHeader, trailer, details:
		far = 8
		if tr == inProcess {
			step = 512 // there is no header section: what it would have been is known about as well
		}
	case requestFields, responseFields, trailerFields:
		if tr == inProcess {
			step = 16
		}
	}
	switch d {
	case below:
		return limit - limit/4
	case at:
		if step > 1 {
			return limit - step
		}
		return limit
	case above:
		return limit + step
	default:
		return far * limit
	}
}

// refusedCode is what a handler returns in rows about details.
const refusedCode = codes.FailedPrecondition

// A plan tells the handler what to answer. It stands at the beginning of the first message.
type plan struct{ header, trailer, headerFields, trailerFields, details, message int }

func (p plan) String() string {
	return fmt.Sprintf("%d %d %d %d %d %d;", p.header, p.trailer, p.headerFields, p.trailerFields, p.details, p.message)
}

func parsePlan(m string) (p plan, err error) {
	head, _, _ := strings.Cut(m, ";")
	_, err = fmt.Sscanf(head, "%d %d %d %d %d %d", &p.header, &p.trailer, &p.headerFields, &p.trailerFields, &p.details, &p.message)
	return p, err
}

// padding is a string that begins with head and makes a message of n bytes, if head leaves room for
// it.
func padding(n int, head string) string {
	length := n
	for length > 0 && messageSize(length) > n {
		length--
	}
	return head + strings.Repeat("m", max(0, length-len(head)))
}

// messageSize is the size of a message with a string of n bytes: tag, length and string.
func messageSize(n int) int { return 1 + protowire.SizeBytes(n) }

// pad is metadata of n bytes in name and value.
func pad(n int) []string { return []string{"pad", strings.Repeat("p", n)} }

// many is n fields of metadata.
func many(n int) (kv []string) {
	for i := range n {
		kv = append(kv, "f"+strconv.Itoa(i), "v")
	}
	return kv
}

// planned answers as its plan says and counts itself.
type planned struct{ running, begun atomic.Int64 }

func (h *planned) serve(c pair.ServerCall) error {
	h.running.Add(1)
	defer h.running.Add(-1)
	h.begun.Add(1)
	first, err := c.Recv()
	if err != nil {
		return err
	}
	p, err := parsePlan(first)
	if err != nil {
		return err
	}
	for err == nil {
		_, err = c.Recv()
	}
	if err != io.EOF {
		return err
	}
	if p.header > 0 {
		err = c.SetHeader(pad(p.header)...)
	} else {
		err = c.SetHeader(many(p.headerFields)...)
	}
	if err != nil {
		return err
	}
	if p.trailer > 0 {
		err = c.SetTrailer(pad(p.trailer)...)
	} else {
		err = c.SetTrailer(many(p.trailerFields)...)
	}
	if err != nil {
		return err
	}
	if p.details > 0 {
		return &pair.Failure{Code: refusedCode, Message: "refused", DetailBytes: p.details}
	}
	return c.Send(padding(p.message, "answer"))
}

// A group is a client and a server with one setting: the rows that share a connection.
type group struct {
	combination
	setting setting
	handler *planned
	server  *pair.Running
	client  pair.ClientConn
	tap     *pair.Tap                   // of plaintext connections, else it sees nothing
	sizes   map[string]pair.HeaderSizes // of a call without padding; shared by all groups
}

// patience is how long a row may take, and giveUp when it is called a hang.
const (
	patience = time.Second
	giveUp   = 2 * time.Second
)

func (g *group) start(t *testing.T, sec security) {
	g.handler, g.tap = new(planned), pair.NewTap()
	g.server = g.serve(t, sec, pair.ServerConfig{Limits: g.setting.server, Handler: g.handler.serve})
	cfg := pair.ClientConfig{Server: g.server, Limits: g.setting.client}
	if g.transport == plain {
		cfg.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			nc, err := new(net.Dialer).DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return g.tap.Wrap(nc), nil
		}
	}
	var err error
	if g.client, err = g.dial(sec, cfg); err != nil {
		t.Fatal(err)
	}
}

// call makes a call, ended by giveUp: without a deadline, whose header field would make sizes vary.
func (g *group) call(r pair.Request) (pair.Response, time.Duration) {
	ctx, cancel := context.WithCancel(context.Background())
	watch := time.AfterFunc(giveUp, cancel)
	defer watch.Stop()
	defer cancel()
	began := time.Now()
	res := g.client.Do(ctx, r)
	return res, time.Since(began)
}

// measure learns how large the header sections of a call of this kind are without padding.
func (g *group) measure(k pair.Kind, failing bool) (pair.HeaderSizes, error) {
	key := fmt.Sprint(g.client2(), k, failing)
	if s, ok := g.sizes[key]; ok {
		return g.atTransport(s), nil
	}
	if g.transport != plain {
		return pair.HeaderSizes{}, fmt.Errorf("no plaintext call of %s was measured", key)
	}
	p := plan{message: 10}
	if failing {
		p.details = 1
	}
	if res, _ := g.call(pair.Request{Kind: k, Messages: []string{p.String()}}); res.Code != codes.OK && res.Code != refusedCode {
		return pair.HeaderSizes{}, fmt.Errorf("a small call ended with %v: %s", res.Code, res.Message)
	}
	g.sizes[key] = g.tap.Last()
	return g.sizes[key], nil
}

func (g *group) client2() string { return g.combination.client.Name + " " + g.combination.server.Name }

// atTransport is what the sizes are over TLS: "https" is longer than "http".
func (g *group) atTransport(s pair.HeaderSizes) pair.HeaderSizes {
	if g.transport == secure {
		s.Request++
	}
	return s
}

// request describes the call in which what comes to n.
func (g *group) request(k pair.Kind, what subject, d degree, n int) (pair.Request, plan, error) {
	r := pair.Request{Kind: k}
	p := plan{message: 10}
	own, err := g.measure(k, what == details)
	if err != nil {
		return r, p, err
	}
	const field = 32 + len("pad")
	switch what {
	case requestHeader:
		r.Metadata = pad(n - own.Request - field)
	case responseHeader:
		p.header = n - own.Header - field
	case trailer:
		p.trailer = n - own.Trailer - field
	case details:
		p.details = detailsFor(n - own.Trailer + detailsField(1))
		if d == above {
			p.details = detailsFor(n-1-own.Trailer+detailsField(1)) + 1
		}
	case requestFields:
		r.Metadata = many(n - own.RequestFields)
	case responseFields:
		p.headerFields = n - own.HeaderFields
	case trailerFields:
		p.trailerFields = n - own.TrailerFields
	case responseMessage:
		p.message = n
	}
	size := 0
	if what == requestMessage {
		size = n
	}
	r.Messages = []string{padding(size, p.String())}
	return r, p, nil
}

// detailsField is the size of grpc-status-details-bin with a detail of n bytes.
func detailsField(n int) int {
	a, err := anypb.New(wrapperspb.String(strings.Repeat("d", n)))
	if err != nil {
		panic("BUG: " + err.Error())
	}
	size := proto.Size(&statuspb.Status{Code: int32(refusedCode), Message: "refused", Details: []*anypb.Any{a}})
	return base64.RawStdEncoding.EncodedLen(size)
}

// detailsFor is the largest detail whose field does not exceed size, and for sizes that no detail
// meets, which base64 has, the next smaller one.
func detailsFor(size int) int {
	low, high := 1, size
	for low < high {
		mid := (low + high + 1) / 2
		if detailsField(mid) <= size {
			low = mid
		} else {
			high = mid - 1
		}
	}
	return low
}

func TestSizes(t *testing.T) {
	sec := newSecurity(t)
	sizes := map[string]pair.HeaderSizes{}
	var bad failures
	rows := 0
	for _, s := range settings {
		clear(sizes) // the limits stand in no header, but a setting may come to change that
		for _, c := range combinations() {
			g := &group{combination: c, setting: s, sizes: sizes}
			g.start(t, sec)
			rows += g.run(&bad)
			g.stop(&bad)
		}
	}
	bad.report(t, rows)
}

func (g *group) run(bad *failures) (rows int) {
	for _, k := range pair.Kinds {
		for _, what := range subjects {
			limit := g.setting.limit(g.combination, what)
			if limit == 0 || limit > reachable {
				continue
			}
			for _, d := range degrees {
				name := fmt.Sprintf("%s, %s: %s, %s %s %d", g.setting.name, g.combination, k, what, d, limit)
				if !selected.MatchString(name) {
					continue
				}
				rows++
				g.row(bad, name, k, what, limit, d)
			}
		}
	}
	return rows
}

// row runs one row. One that is late is run again: a processor that others use is no fault of the
// row's.
func (g *group) row(bad *failures, name string, k pair.Kind, what subject, limit int, d degree) {
	n := amount(limit, what, d, g.transport)
	r, p, err := g.request(k, what, d, n)
	if err != nil {
		bad.add(name, err.Error(), "a row", "not measured")
		return
	}
	allowed := patience
	if racing.Enabled {
		allowed *= 3
	}
	for try := 0; ; try++ {
		begun := g.handler.begun.Load()
		res, took := g.call(r)
		w := g.want(what, d)
		if got, why := w.check(res, p, what, k); why != "" {
			bad.add(name, got, w.String(), why)
		} else if took > allowed && try == 0 {
			continue
		} else if took > allowed {
			bad.add(name, took.Round(time.Millisecond).String(), "< "+allowed.String(), "the answer is late")
		}
		if w.unseen && g.handler.begun.Load() != begun {
			bad.add(name, "the handler ran", "it does not run", "the request was over a limit")
		}
		if left := g.left(); left != "" {
			bad.add(name, left, "nothing open", "streams and handlers end with the call")
		}
		return
	}
}

// left waits until nothing is open on either side, and says what is if that does not come.
func (g *group) left() string {
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	deadline := time.After(patience)
	for {
		streams, handlers, calls := g.tap.Open(), g.handler.running.Load(), g.server.OpenCalls()
		if streams == 0 && handlers == 0 && calls <= 0 {
			return ""
		}
		select {
		case <-poll.C:
		case <-deadline:
			return fmt.Sprintf("%d streams, %d handlers, %d calls", streams, handlers, calls)
		}
	}
}

func (g *group) stop(bad *failures) {
	name := fmt.Sprintf("%s, %s", g.setting.name, g.combination)
	if err := g.client.Close(); err != nil {
		bad.add(name, err.Error(), "nil", "closing the client")
	}
	if err := g.server.Stop(5 * time.Second); err != nil {
		bad.add(name, err.Error(), "nil", "stopping the server")
	}
}
