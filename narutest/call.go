package narutest

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/encoding"
	"github.com/naru-rpc/naru/internal/call/server"
	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/metadata"
)

// CallConfig describes the call a handler under test is to see. The zero value is a call without
// metadata and without a deadline.
type CallConfig struct {
	// Method is the path, "/package.Service/Method"; empty: "/narutest.Service/Method".
	Method string
	// Metadata is the request's. Every call also has the key :authority.
	Metadata metadata.MD
	// Timeout ends the call after this time, as the client's deadline would; 0 and less: no
	// deadline.
	Timeout time.Duration
	// Peer is the client. Addresses that are nil become "narutest".
	Peer naru.Peer
}

// A Call is a server call without a client and without a connection, to test handlers as the
// functions they are: its context is what naru.SetHeader, SendHeader, SetTrailer, SetCompression,
// PeerFromContext, FullMethod, Draining and the functions of package metadata work with. Use
// [Serve] to test what goes over the wire. Safe for concurrent use.
type Call struct {
	call     *server.Call
	stream   *noStream
	draining func()
	release  chan struct{} // closed at the end of the test
	done     chan struct{} // closed when the call has ended
}

// NewCall begins a call, which ends with the test. A Method or Metadata that no client could send
// end the test.
func NewCall(t testing.TB, config CallConfig) *Call {
	t.Helper()
	head, err := requestHead(&config)
	if err != nil {
		t.Fatalf("narutest: %v", err)
	}
	draining := make(chan struct{})
	c := &Call{
		stream: &noStream{info: &transport.ConnInfo{
			ID: config.Peer.ConnectionID, Local: config.Peer.LocalAddr, Remote: config.Peer.Addr, TLS: config.Peer.TLS, Draining: draining,
		}},
		draining: sync.OnceFunc(func() { close(draining) }),
		release:  make(chan struct{}),
		done:     make(chan struct{}),
	}
	registry, err := encoding.NewRegistry([]encoding.Codec{encoding.Proto()}, []encoding.Compressor{encoding.Gzip(), encoding.Zstd()})
	if err != nil {
		t.Fatalf("narutest: %v", err)
	}
	started := make(chan struct{})
	env := &server.Env{Registry: registry, Logger: slog.New(slog.DiscardHandler)}
	method := &server.Method{FullMethod: head.Path, ClientStreams: true, ServerStreams: true, Handle: func(*server.Call) error {
		close(started)
		<-c.release
		return nil
	}}
	c.call = server.NewCall(env, method, runner{c.done, new(server.Unfinished)}, c.stream, head, "", false)
	<-started
	t.Cleanup(func() {
		close(c.release)
		<-c.done
	})
	return c
}

func requestHead(config *CallConfig) (*transport.RequestHead, error) {
	if config.Method == "" {
		config.Method = "/narutest.Service/Method"
	}
	if config.Peer.Addr == nil {
		config.Peer.Addr = testAddr{}
	}
	if config.Peer.LocalAddr == nil {
		config.Peer.LocalAddr = testAddr{}
	}
	head := &transport.RequestHead{Method: "POST", Scheme: "http", Authority: address, Path: config.Method}
	if config.Timeout > 0 {
		head.Fields = append(head.Fields, transport.Field{Name: "grpc-timeout", Value: string(wire.AppendTimeout(nil, config.Timeout))})
	}
	for key, values := range config.Metadata {
		if err := metadata.ValidateKey(key); err != nil {
			return nil, err
		}
		for _, v := range values {
			if err := metadata.ValidateValue(key, v); err != nil {
				return nil, err
			}
			head.Fields = append(head.Fields, transport.Field{Name: key, Value: wire.EncodeValue(key, v)})
		}
	}
	return head, nil
}

// Context returns the context to give to the handler.
func (c *Call) Context() context.Context { return c.call.Context() }

// Header returns a copy of what was set as the response's header so far, whether it was sent or
// not.
func (c *Call) Header() metadata.MD { return c.call.Header() }

// HeaderSent reports whether the header has been sent, by naru.SendHeader.
func (c *Call) HeaderSent() bool {
	c.stream.mu.Lock()
	defer c.stream.mu.Unlock()
	return c.stream.headSent
}

// Trailer returns a copy of what was set as the response's trailer so far.
func (c *Call) Trailer() metadata.MD { return c.call.Trailer() }

// Cancel ends the call as a client does that cancels it: the context is canceled.
func (c *Call) Cancel() {
	c.call.Closed(&transport.Error{
		Scope: transport.ScopeStream, Origin: transport.OriginPeer, Code: 8, Token: reason.Canceled, Reason: "the client canceled the call",
	})
}

// Drain closes the channel that naru.Draining returns, as a server does that shuts down.
func (c *Call) Drain() { c.draining() }

// runner runs one call on a goroutine of its own.
type runner struct {
	done       chan struct{}
	unfinished *server.Unfinished
}

func (runner) Postpone(*server.Call) bool       { return false }
func (runner) Problem(reason.Code)              {}
func (runner) Withdraw(*server.Call) bool       { return false } // Run is called at once
func (runner) Abandoned(*server.Call)           {}
func (r runner) Dispatch(c *server.Call)        { go c.Run() }
func (r runner) Unfinished() *server.Unfinished { return r.unfinished }
func (r runner) Finished(*server.Call) {
	r.unfinished.Close()
	close(r.done)
}

// noStream is a stream whose bytes go nowhere.
type noStream struct {
	info *transport.ConnInfo

	mu       sync.Mutex
	headSent bool
}

// Send implements transport.ServerStream.
func (s *noStream) Send(out *transport.Out) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.headSent = s.headSent || out.Head != nil
	out.Body.Free()
	return nil
}

func (s *noStream) ID() uint32                      { return 1 }
func (s *noStream) AwaitSend(<-chan struct{}) error { return nil }
func (s *noStream) Consumed(int)                    {}
func (s *noStream) Want(int64, int64)               {}
func (s *noStream) Reset(uint32, reason.Code)       {}
func (s *noStream) Release()                        {}
func (s *noStream) Conn() *transport.ConnInfo       { return s.info }

// testAddr is the address of both ends unless a test names others.
type testAddr struct{}

var _ net.Addr = testAddr{}

func (testAddr) Network() string { return "narutest" }
func (testAddr) String() string  { return address }
