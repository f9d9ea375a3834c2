package server

import (
	"sync/atomic"

	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/internal/transport"
)

// fieldLists has the field lists that many requests have in common, so that not each call keeps a
// copy of its own: of a client's settings, the same with each of its calls. Safe for concurrent
// use.
type fieldLists struct {
	lists [16]atomic.Pointer[[]transport.Field] // by a sum of lengths; the latest of each. What is in a list stays as it is
}

// longestShared bounds the bytes of a list that is kept for other calls.
const longestShared = 1 << 10

// keep returns those of fields that are looked at later. The result must not be changed.
func (l *fieldLists) keep(fields []transport.Field) []transport.Field {
	sum, n := 0, 0
	for i := range fields {
		f := &fields[i]
		if ofTheHead(f.Name) {
			continue
		}
		if !ofTheClient(f.Name) {
			return keepOwn(fields)
		}
		sum += len(f.Name) + len(f.Value)
		n++
	}
	if sum > longestShared {
		return keepOwn(fields)
	}
	slot := &l.lists[(sum+n)%len(l.lists)]
	if list := slot.Load(); list != nil && len(*list) == n && sameFields(*list, fields) {
		return *list
	}
	list := keepOwn(fields)
	slot.Store(&list)
	return list
}

// ofTheHead tells of fields that were read when the call began. Metadata does not have them.
func ofTheHead(name string) bool {
	switch name {
	case wire.FieldContentType, wire.FieldTE, wire.FieldTimeout, "content-length":
		return true
	}
	return false
}

// ofTheClient tells of fields whose values are settings of the client, not of a call, and no
// secrets: those may stay in memory after the call.
func ofTheClient(name string) bool {
	switch name {
	case wire.FieldUserAgent, wire.FieldEncoding, wire.FieldAcceptEncoding, "accept-encoding":
		return true
	}
	return false
}

func sameFields(list, fields []transport.Field) bool {
	i := 0
	for j := range fields {
		if ofTheHead(fields[j].Name) {
			continue
		}
		if list[i] != fields[j] {
			return false
		}
		i++
	}
	return true
}

func keepOwn(fields []transport.Field) []transport.Field {
	list := make([]transport.Field, 0, len(fields))
	for i := range fields {
		if !ofTheHead(fields[i].Name) {
			list = append(list, fields[i])
		}
	}
	return list
}
