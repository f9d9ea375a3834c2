package naru_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/encoding"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/status"
	"github.com/naru-rpc/naru/stub"
)

// What a handler leaves running must fail, not harm: its stream and context stay safe to use for
// ever.
func TestUseAfterTheHandlerReturned(t *testing.T) {
	type left struct {
		recv, send, header error
		ctx                error
		md                 metadata.MD
	}
	results := make(chan left, 1)
	e := func() *echo {
		return &echo{bidi: func(s naru.BidiStreamingServer[text, text]) error {
			first, err := s.Recv()
			if err != nil {
				return err
			}
			receiving := make(chan struct{})
			go func() {
				var l left
				var wg sync.WaitGroup
				wg.Go(func() {
					close(receiving)
					for l.recv == nil {
						_, l.recv = s.Recv()
					}
				})
				for l.send == nil {
					l.send = s.Send(first)
				}
				<-s.Context().Done()
				wg.Wait()
				_, again := s.Recv()
				if again == nil {
					l.recv = nil
				}
				l.header = s.SetHeader(metadata.Pairs("a", "b"))
				s.SetTrailer(metadata.Pairs("a", "b"))
				l.ctx = s.Context().Err()
				l.md, _ = metadata.FromIncomingContext(s.Context())
				results <- l
			}()
			<-receiving
			return nil
		}}
	}
	overAll(t, e, func(t *testing.T, p *pair) {
		for range 20 {
			s, err := stub.NewBidiStreamingClient[text, text](t.Context(), p, methodBidi, naru.WithMetadata("k", "v"))
			if err != nil {
				t.Fatal(err)
			}
			for range 10 {
				_ = s.Send(str("some message")) // the call may end meanwhile
			}
			for err == nil {
				_, err = s.Recv()
			}
			if err != io.EOF {
				t.Errorf("the call ended with %v", err)
			}
			l := <-results
			if status.Code(l.recv) != codes.Canceled || status.Code(l.send) != codes.Canceled || l.header == nil {
				t.Errorf("after the handler: Recv %v, Send %v, SetHeader %v", l.recv, l.send, l.header)
			}
			if l.ctx != context.Canceled || l.md.First("k") != "v" {
				t.Errorf("after the handler: context %v, metadata %v", l.ctx, l.md)
			}
		}
	})
}

// Unary calls give back most of what they used when they end. An interceptor that does not wait for
// the handler, and goroutines that keep the context, find their own call, ended, and never
// another's.
func TestUnaryUseAfterTheCall(t *testing.T) {
	var left sync.WaitGroup
	use := func(ctx context.Context, value string) {
		_ = naru.SetHeader(ctx, metadata.Pairs("of", value)) // before, at or after the end
		_ = naru.SetTrailer(ctx, metadata.Pairs("of", value))
		_ = naru.SetCompression(ctx, "gzip")
		<-ctx.Done()
		for what, err := range map[string]error{
			"SetHeader": naru.SetHeader(ctx, nil), "SendHeader": naru.SendHeader(ctx, nil),
			"SetTrailer": naru.SetTrailer(ctx, nil), "SetCompression": naru.SetCompression(ctx, "gzip"),
		} {
			if err == nil {
				t.Errorf("%s after the call: no error", what)
			}
		}
		md, _ := metadata.FromIncomingContext(ctx)
		peer, _ := naru.PeerFromContext(ctx)
		if md.First("k") != value || metadata.ValueFromIncomingContext(ctx, "k")[0] != value || md.First("user-agent") == "" {
			t.Errorf("metadata after the call: %v, want k=%s", md, value)
		}
		if peer.Addr == nil || naru.FullMethod(ctx) != methodUnary.FullMethod || naru.Draining(ctx) == nil {
			t.Errorf("after the call: peer %v, method %q", peer, naru.FullMethod(ctx))
		}
	}
	e := handle(func(ctx context.Context, m *text) (*text, error) {
		left.Go(func() { use(ctx, m.Value) })
		return m, nil
	})
	impatient := func(ctx context.Context, c *naru.Call, next func(context.Context) error) error {
		if c.RequestHeader(ctx).First("impatient") == "" {
			return next(ctx)
		}
		began := make(chan struct{})
		left.Go(func() {
			close(began)
			_ = next(ctx) // at any moment of the call's end
			_ = c.ResponseHeader()
			_ = c.ResponseTrailer()
		})
		<-began
		return status.Error(codes.Aborted, "impatient")
	}
	overAll(t, e, func(t *testing.T, p *pair) {
		var calls sync.WaitGroup
		for i := range 8 {
			calls.Go(func() {
				for j := range 200 {
					value := fmt.Sprint(i, "-", j)
					got, err := p.unary(t.Context(), value, naru.WithMetadata("k", value))
					wantText(t, got, err, value)
					if j%4 == 0 {
						_, err := p.unary(t.Context(), value, naru.WithMetadata("k", value, "impatient", "yes"))
						wantStatus(t, err, codes.Aborted, "impatient")
					}
				}
			})
		}
		calls.Wait()
		left.Wait()
	}, serverOnly{naru.WithInterceptors(impatient)})
}

// slowCodec decodes when it is told to.
type slowCodec struct {
	encoding.Codec
	decoding, goOn chan struct{}
}

func (slowCodec) Name() string { return "slow" }

func (c slowCodec) Unmarshal(b []byte, m any) error {
	c.decoding <- struct{}{}
	<-c.goOn
	return c.Codec.Unmarshal(b, m)
}

// The end of a call gives back what was received of it: a message that is being decoded then must
// not be given back a second time.
func TestTheHandlerReturnsWhileAMessageIsDecoded(t *testing.T) {
	codec := slowCodec{encoding.Proto(), make(chan struct{}), make(chan struct{})}
	received := make(chan error, 1)
	e := func() *echo {
		return &echo{bidi: func(s naru.BidiStreamingServer[text, text]) error {
			go func() {
				_, err := s.Recv()
				received <- err
			}()
			<-codec.decoding
			return nil
		}}
	}
	overAll(t, e, func(t *testing.T, p *pair) {
		s, err := stub.NewBidiStreamingClient[text, text](t.Context(), p, methodBidi, naru.WithCodec("slow"))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Send(str("some message")); err != nil {
			t.Fatal(err)
		}
		if m, err := s.Recv(); err != io.EOF {
			t.Errorf("%v, %v, want the end of the call", m, err)
		}
		codec.goOn <- struct{}{}
		if err := <-received; err != nil {
			t.Errorf("Recv: %v", err)
		}
	}, serverOnly{naru.WithCodecs(codec)}, clientOnly{naru.WithCodecs(codec)})
}

// Messages that a handler keeps are its own.
func TestKeptMessagesStayIntact(t *testing.T) {
	var mu sync.Mutex
	kept := make(map[string]*text)
	e := handle(func(_ context.Context, m *text) (*text, error) {
		mu.Lock()
		kept[m.Value] = m
		mu.Unlock()
		return m, nil
	})
	overAll(t, e, func(t *testing.T, p *pair) {
		for i := range 200 {
			want := string(rune('a'+i%26)) + "-kept"
			if got, err := p.unary(t.Context(), want); err != nil || got != want {
				t.Fatal(got, err)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		for want, m := range kept {
			if m.Value != want {
				t.Errorf("a message kept as %q is now %q", want, m.Value)
			}
		}
	})
}

func TestIterationEndsWithTheError(t *testing.T) {
	e := func() *echo {
		return &echo{server: func(_ *text, s naru.ServerStreamingServer[text]) error {
			if err := s.Send(str("one")); err != nil {
				return err
			}
			return status.Error(codes.DataLoss, "broken")
		}}
	}
	overAll(t, e, func(t *testing.T, p *pair) {
		s, err := stub.NewServerStreamingClient[text](t.Context(), p, methodServer, str(""))
		if err != nil {
			t.Fatal(err)
		}
		var last error
		n := 0
		for m, err := range s.All() {
			if last = err; err == nil && m.Value == "one" {
				n++
			}
		}
		if n != 1 || status.Code(last) != codes.DataLoss {
			t.Errorf("%d messages, then %v", n, last)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if _, err := s.Recv(); status.Code(err) != codes.DataLoss {
			t.Errorf("Recv after the end: %v", err)
		}
	})
}

func TestNilMessages(t *testing.T) {
	e := func() *echo {
		return &echo{bidi: func(s naru.BidiStreamingServer[text, text]) error { return s.Send(nil) }}
	}
	overAll(t, e, func(t *testing.T, p *pair) {
		s, err := stub.NewBidiStreamingClient[text, text](t.Context(), p, methodBidi)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Send(nil); status.Code(err) != codes.Internal {
			t.Errorf("Send(nil): %v", err)
		}
		if _, err := s.Recv(); status.Code(err) != codes.Internal {
			t.Errorf("the handler's Send(nil): %v", err)
		}
		var none *text
		if err := p.Invoke(t.Context(), methodUnary, none, new(text)); err != nil {
			t.Errorf("a nil message of a type encodes as an empty one: %v", err)
		}
		if err := p.Invoke(t.Context(), methodUnary, "not a message", new(text)); status.Code(err) != codes.Internal {
			t.Errorf("a string as message: %v", err)
		}
		if err := p.Invoke(t.Context(), methodUnary, errors.New("x"), new(text)); status.Code(err) != codes.Internal {
			t.Errorf("an error as message: %v", err)
		}
	})
}

// An authenticator ends a unary call while its request still comes.
func TestRefusedWhileTheRequestComes(t *testing.T) {
	refuse := func(context.Context, *naru.Call) (context.Context, error) {
		return nil, status.Error(codes.Unauthenticated, "no")
	}
	overAll(t, plain, func(t *testing.T, p *pair) {
		large := strings.Repeat("x", 60_000)
		var calls sync.WaitGroup
		for range 8 {
			calls.Go(func() {
				for range 100 {
					_, err := p.unary(t.Context(), large)
					wantStatus(t, err, codes.Unauthenticated, "no")
				}
			})
		}
		calls.Wait()
	}, serverOnly{naru.WithAuthenticator(refuse)})
}
