package hostile

import (
	"bytes"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/encoding"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/internal/memnet"
	"github.com/naru-rpc/naru/limits"
	"github.com/naru-rpc/naru/test/bench/benchpb"
	"github.com/naru-rpc/naru/test/bench/benchpb/benchpbnaru"
	"github.com/naru-rpc/naru/test/internal/held"
	"github.com/naru-rpc/naru/test/internal/honest"
	"github.com/naru-rpc/naru/test/internal/racing"
)

// A worst is a worst case of docs/memory.md: what every stream of every connection sends, as far as
// the windows let it.
type worst struct {
	name  string
	conns int64 // 0: some
	head  []byte
	body  []byte
	end   bool  // the request is complete with the body
	deaf  bool  // the peers give no window for responses
	most  int64 // bytes of a stream that are held at a time; 0: all of the body
	list  int64 // bytes of a stream's header list
	made  int64 // by the program, or for it
	whole bool  // what is sent fills the memory: if it does not, the test drives nothing
}

// Small limits, so that a case takes milliseconds.
var smallLimits = held.Limits{ServerMemory: 1 << 20, ReceiveMemory: 512 << 10, StreamWindow: 64 << 10, Message: 1 << 20, Streams: 4}

const (
	smallConns  = 6
	smallAnswer = 200_000
)

var worstCases = []worst{
	{name: "largest messages all but complete", body: unfinished(1<<20, 1<<20-200), whole: true},
	{name: "messages half sent, somewhat larger than a buffer", body: unfinished(1<<20, 140_000), whole: true},
	{name: "messages half sent, small", body: unfinished(60_000, 17_000)},
	{name: "claims of the largest message", body: unfinished(1<<20, 5)},
	{name: "large messages to handlers that do not receive", head: head(bidi), body: repeated(140_000, 8), whole: true},
	{name: "messages somewhat larger than a buffer to those", head: head(bidi), body: repeated(17_000, 60), whole: true},
	{name: "one-byte messages to those", head: head(bidi), body: repeated(1, 20_000), whole: true},
	{name: "compressed messages, one of which is being expanded", head: head(unary, "grpc-encoding", "stall"), end: true,
		body: prefixed(1, 50_000, make([]byte, 50_000)), made: smallLimits.Expanded(), whole: true},
	{name: "large header lists", head: head(bidi, "x-long", strings.Repeat("v", 15<<10)), list: 16 << 10},
	{name: "large answers that are not read", body: large(smallAnswer), end: true, deaf: true, most: smallAnswer + 100, whole: true,
		made: smallConns * int64(runtime.GOMAXPROCS(0)) * 2 * smallAnswer},
	{name: "many connections, a message half sent on each stream", conns: 100, body: unfinished(60_000, 10_000), whole: true},
}

// repeated is a message to a handler that waits without receiving, and n of size bytes behind it.
func repeated(size, n int) []byte {
	m := message(&benchpb.Message{Payload: make([]byte, size)})
	return append(message(&benchpb.Message{Message: "deaf"}), bytes.Repeat(m, n)...)
}

// TestFormula drives the worst cases of docs/memory.md through the public API: neither what a
// server counts, nor what its heap has grown by when all that can be sent was, exceeds the formula.
// It is given nothing for buffers that are ahead of what has come.
func TestFormula(t *testing.T) {
	if racing.Enabled {
		t.Skip("the race detector's memory is counted as well")
	}
	eventually(t, "earlier tests have given back what they took", func() bool { return mem.Ahead(mem.MostAhead) })
	defer mem.Caught(mem.MostAhead)
	for i := range worstCases {
		for _, limited := range []bool{false, true} {
			name := "without a limit for the server: "
			if limited {
				name = "at the server's limit: "
			}
			t.Run(name+worstCases[i].name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { worstCases[i].run(t, limited) })
			})
		}
	}
}

func (w *worst) run(t *testing.T, limited bool) {
	terms := smallLimits
	if !limited {
		terms.ServerMemory = 1 << 40
	}
	peers := held.Peers{Conns: max(w.conns, smallConns), Streams: smallLimits.Streams, Sent: w.most, Head: w.list}
	if w.most == 0 {
		peers.Sent = int64(len(w.body))
	}
	stall := &stallCompressor{free: make(chan struct{})}
	srv, network, end := w.server(t, terms, stall)
	before := liveHeap()
	var all []*scriptedPeer
	for range peers.Conns {
		all = append(all, w.dial(t, network))
	}
	var peak int64
	for moved := true; moved; {
		moved = false
		for _, p := range all {
			moved = p.push(w) || moved
		}
		synctest.Wait()
		peak = max(peak, srv.Stats().HeldBytes)
	}
	for _, p := range all {
		p.out = nil
	}
	bytes, heap := srv.Stats().HeldBytes, liveHeap()-before
	mostHeld := terms.Most(peers)
	most := terms.Exhausted().MemoryOf(bytes, peers) + w.made
	t.Logf("counted %d KiB, %d of %d at most, heap %d KiB of %d, ended %v", bytes>>10, peak>>10, mostHeld>>10, heap>>10, most>>10, srv.Stats().Ended)
	if peak > mostHeld {
		t.Errorf("the server holds %d bytes, want at most %d", peak, mostHeld)
	}
	if heap > most {
		t.Errorf("the heap grew by %d bytes, want at most %d", heap, most)
	}
	if w.whole && limited && srv.Stats().Ended["server_memory"] == 0 {
		t.Errorf("the case does not drive the server to its limit of %d bytes", terms.ServerMemory)
	}
	close(stall.free)
	for _, p := range all {
		p.close()
	}
	end()
	synctest.Wait()
	if n := srv.Stats().HeldBytes; n != 0 {
		t.Errorf("%d bytes are counted when all is over", n)
	}
}

// server starts one on a network in memory. end stops it.
func (w *worst) server(t *testing.T, l held.Limits, stall encoding.Compressor) (srv *naru.Server, network *memnet.Network, end func()) {
	t.Helper()
	srv, err := naru.NewServer(honest.Quiet, naru.WithLimits(limits.Limits{
		MaxConcurrentStreams: int(l.Streams), MaxReceiveMessageSize: int(l.Message),
		ServerMemory: int(l.ServerMemory), ReceiveMemory: int(l.ReceiveMemory), StreamWindow: int(l.StreamWindow)}),
		naru.WithCompressors(stall))
	if err != nil {
		t.Fatal(err)
	}
	benchpbnaru.RegisterEchoServer(srv, handlers{})
	network = &memnet.Network{Buffer: 16 << 10}
	lis, err := network.Listen("victim")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1) // capacity 1: read at the end
	go func() { served <- srv.Serve(lis) }()
	synctest.Wait()
	return srv, network, func() {
		_ = srv.Close()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	}
}

// A scriptedPeer sends the same on all its streams, and keeps to the windows.
type scriptedPeer struct {
	*peer
	ids  []uint32
	rest [][]byte // of each stream
}

func (w *worst) dial(t *testing.T, network *memnet.Network) *scriptedPeer {
	t.Helper()
	nc, err := network.Dial(t.Context(), "victim")
	if err != nil {
		t.Fatal(err)
	}
	var settings []frame.Setting
	if w.deaf {
		settings = append(settings, frame.Setting{ID: frame.SettingInitialWindowSize, Value: 0})
	}
	p := &scriptedPeer{peer: newPeer(nc, t.Context().Done(), false, settings...)}
	p.read()
	b := w.head
	if b == nil {
		b = head(unary)
	}
	for range smallLimits.Streams {
		id := p.id()
		p.headers(id, false, b)
		p.send()
		p.ids, p.rest = append(p.ids, id), append(p.rest, w.body)
	}
	synctest.Wait()
	return p
}

// push sends what the windows allow, a frame of each stream in turn, and reports whether that was
// something.
func (p *scriptedPeer) push(w *worst) (moved bool) {
	for more := true; more && !p.over(); {
		more = false
		for i, id := range p.ids {
			rest := p.rest[i]
			if len(rest) == 0 || p.credit.gone(id) {
				continue
			}
			n := p.credit.try(id, min(len(rest), 1<<14))
			if n == 0 {
				continue
			}
			p.data(id, w.end && n == len(rest), rest[:n])
			p.send()
			p.rest[i] = rest[n:]
			more, moved = true, true
		}
	}
	return moved
}

// A stallCompressor expands every message to the limit, and does not come to an end until it may.
type stallCompressor struct{ free chan struct{} }

func (*stallCompressor) Name() string { return "stall" }

func (*stallCompressor) Compress(dst, src []byte) ([]byte, error) { return append(dst, src...), nil }

func (c *stallCompressor) Decompress(dst, _ []byte, limit int) ([]byte, error) {
	b := append(dst, make([]byte, limit)...)
	<-c.free
	runtime.KeepAlive(b)
	return dst, &encoding.LimitError{Compressor: "stall", Limit: limit}
}

// liveHeap is what is in use, without buffers that are kept for other messages.
func liveHeap() int64 {
	mem.Release()
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
