package pcap

import (
	"bytes"
	"net/netip"
	"slices"
	"sort"
	"time"

	"github.com/naru-rpc/naru/internal/h2"
)

// Connection is a TCP connection with what either side sent.
type Connection struct {
	Client, Server     netip.AddrPort
	ToServer, ToClient []Run
	fromA, fromB       *half // as they were seen first
	opened             bool  // the SYN was captured
}

// Run is a stretch of one direction without gaps.
type Run struct {
	Bytes []byte
	// Lost says that bytes before it are missing: of the beginning of the connection, or in
	// between.
	Lost  bool
	marks []mark
}

// mark says when the bytes from an offset on were captured.
type mark struct {
	offset int
	time   time.Time
}

// Time returns when the byte at an offset was captured; the zero time if the capture has no times.
func (r *Run) Time(offset int) time.Time {
	i := sort.Search(len(r.marks), func(i int) bool { return r.marks[i].offset > offset })
	if i == 0 {
		return time.Time{}
	}
	return r.marks[i-1].time
}

// half is one direction while it is collected.
type half struct {
	from     netip.AddrPort
	segments []segment
	started  bool // SYN seen
	first    uint32
}

type key struct{ a, b netip.AddrPort }

func keyOf(s segment) key {
	if s.from.Compare(s.to) < 0 {
		return key{s.from, s.to}
	}
	return key{s.to, s.from}
}

type assembly struct {
	open map[key]*Connection
	all  []*Connection
}

func newAssembly() *assembly { return &assembly{open: map[key]*Connection{}} }

func (a *assembly) packet(p packet) {
	s, ok := segmentOf(p)
	if !ok {
		return
	}
	c := a.open[keyOf(s)]
	if c == nil || s.syn && !s.ack && len(c.half(s.from).segments) > 0 { // or the ports are used again
		c = &Connection{fromA: &half{from: s.from}, fromB: &half{from: s.to}}
		a.open[keyOf(s)] = c
		a.all = append(a.all, c)
	}
	h := c.half(s.from)
	if s.syn {
		h.started, h.first = true, s.seq+1
		if !s.ack {
			c.Client, c.Server, c.opened = s.from, s.to, true
		} else if !c.opened {
			c.Client, c.Server, c.opened = s.to, s.from, true
		}
	}
	if len(s.data) > 0 {
		h.segments = append(h.segments, s)
	}
}

func (c *Connection) half(from netip.AddrPort) *half {
	if c.fromA.from == from {
		return c.fromA
	}
	return c.fromB
}

// finish joins what was collected. Connections without data are left out.
func (a *assembly) finish() []*Connection {
	var out []*Connection
	for _, c := range a.all {
		runsA, runsB := c.fromA.join(), c.fromB.join()
		if len(runsA)+len(runsB) == 0 {
			continue
		}
		c.sides(runsA, runsB)
		out = append(out, c)
	}
	return out
}

// serves reports whether a port is one that servers usually have. 50051 is gRPC's, in the range of
// clients' ports.
func serves(port uint16) bool {
	return port < 1024 || port >= 50051 && port < 50060 || port == 8080 || port == 8443 || port == 9090
}

// sides decides who is the client: who sent the SYN, or HTTP/2's preface, or else by the ports.
func (c *Connection) sides(runsA, runsB []Run) {
	begins := func(runs []Run) bool { return len(runs) > 0 && bytes.HasPrefix(runs[0].Bytes, []byte(h2.Preface)) }
	portA, portB := c.fromA.from.Port(), c.fromB.from.Port()
	aIsClient := portA > portB
	if serves(portA) != serves(portB) {
		aIsClient = serves(portB)
	}
	switch {
	case c.opened:
		aIsClient = c.Client == c.fromA.from
	case begins(runsA):
		aIsClient = true
	case begins(runsB):
		aIsClient = false
	}
	if aIsClient {
		c.Client, c.Server, c.ToServer, c.ToClient = c.fromA.from, c.fromB.from, runsA, runsB
	} else {
		c.Client, c.Server, c.ToServer, c.ToClient = c.fromB.from, c.fromA.from, runsB, runsA
	}
	c.fromA, c.fromB = nil, nil
}

// join orders segments by sequence number, drops what was sent again, and cuts at gaps.
func (h *half) join() []Run {
	if len(h.segments) == 0 {
		return nil
	}
	first := h.first
	if !h.started {
		first = h.segments[0].seq
		for _, s := range h.segments { // what came before it, out of order
			if int32(s.seq-first) < 0 && int32(first-s.seq) < 1<<20 {
				first = s.seq
			}
		}
	}
	offset := func(s segment) int { return int(int32(s.seq - first)) }
	slices.SortStableFunc(h.segments, func(a, b segment) int { return offset(a) - offset(b) })
	var runs []Run
	next := 0
	for i, s := range h.segments {
		at := offset(s)
		data := s.data
		if at < next && (i > 0 || h.started) || at < 0 {
			if at+len(data) <= next {
				continue // sent again
			}
			data, at = data[next-at:], next
		}
		if len(runs) == 0 || at > next {
			runs = append(runs, Run{Lost: at > 0 || !h.started})
		}
		r := &runs[len(runs)-1]
		r.marks = append(r.marks, mark{len(r.Bytes), s.time})
		r.Bytes = append(r.Bytes, data...)
		next = at + len(data)
	}
	return runs
}
