package naru_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/limits"
	"github.com/naru-rpc/naru/metadata"
)

// A call's deadline runs from its head, whether or not anybody waits for its context.
func TestDeadlineOfUnfinishedRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := script(t, &echo{}, nil)
		for i := range 100 {
			id := uint32(2*i + 1)
			c.head(id, methodUnary.FullMethod, false, "grpc-timeout", "100m")
			if i%2 == 0 {
				c.write(frame.AppendData(nil, id, false, wireText("half")[:7]))
			}
		}
		time.Sleep(99 * time.Millisecond)
		if r := c.responses(); len(r) > 0 {
			t.Fatalf("%d responses before the deadline", len(r))
		}
		time.Sleep(2 * time.Millisecond)
		all := c.responses()
		for i := range 100 {
			if r := all[uint32(2*i+1)]; r == nil || !r.end || r.field("grpc-status") != "4" {
				t.Fatalf("stream %d: %+v, want DEADLINE_EXCEEDED", 2*i+1, r)
			}
		}
		// What still arrives harms nobody, and the connection serves on.
		c.call(201, methodUnary.FullMethod, "on", "grpc-timeout", "100m")
		if r := c.responses()[201]; r == nil || r.field("grpc-status") != "0" {
			t.Errorf("a call after that: %+v", r)
		}
	})
}

// Calls that wait for their turn end at their deadline, not when it comes.
func TestDeadlineOfQueuedCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		c := script(t, &echo{unary: func(_ context.Context, m *text) (*text, error) {
			<-release
			return m, nil
		}}, nil, naru.WithLimits(limits.Limits{Handlers: 1}))
		c.call(1, methodUnary.FullMethod, "busy")
		c.responses()
		c.call(3, methodUnary.FullMethod, "waits", "grpc-timeout", "50m")
		time.Sleep(51 * time.Millisecond)
		if r := c.responses()[3]; r == nil || !r.end || r.field("grpc-status") != "4" {
			t.Errorf("the waiting call: %+v, want DEADLINE_EXCEEDED", r)
		}
		close(release)
		if r := c.responses()[1]; r == nil || r.field("grpc-status") != "0" {
			t.Errorf("the running call: %+v", r)
		}
	})
}

// A handler that waits for its context and returns nil is not OK after the deadline.
func TestNilAfterTheDeadlineIsNotOK(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := script(t, &echo{
			unary: func(ctx context.Context, m *text) (*text, error) {
				<-ctx.Done()
				return m, nil
			},
			bidi: func(s naru.BidiStreamingServer[text, text]) error {
				if err := s.Send(str("first")); err != nil {
					return err
				}
				<-s.Context().Done()
				return nil
			},
		}, nil)
		c.call(1, methodUnary.FullMethod, "x", "grpc-timeout", "50m")
		c.call(3, methodBidi.FullMethod, "x", "grpc-timeout", "50m")
		c.responses()
		time.Sleep(51 * time.Millisecond)
		all := c.responses()
		for _, id := range []uint32{1, 3} {
			if r := all[id]; r == nil || !r.end || r.field("grpc-status") != "4" {
				t.Errorf("stream %d: %+v, want DEADLINE_EXCEEDED", id, r)
			}
		}
	})
}

// Metadata of requests: what is wrong with it ends the call, not the connection.
func TestRequestMetadataOfOtherClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		c := script(t, &echo{unary: func(ctx context.Context, m *text) (*text, error) {
			if m.Value == "spaced" {
				got = metadata.ValueFromIncomingContext(ctx, "spaced")
			}
			return m, nil
		}}, nil)
		c.call(1, methodUnary.FullMethod, "spaced", "spaced", "  white \t")
		c.call(3, methodUnary.FullMethod, "x", "some-bin", "not base64!")
		many := make([]string, 0, 2*600)
		for range 600 {
			many = append(many, "k", "v")
		}
		c.call(5, methodUnary.FullMethod, "x", many...)
		c.call(7, methodUnary.FullMethod, "x")
		all := c.responses()
		for id, want := range map[uint32]string{1: "0", 3: "13", 5: "8", 7: "0"} {
			if r := all[id]; r == nil || !r.end || r.field("grpc-status") != want {
				t.Errorf("stream %d: %+v, want grpc-status %s", id, r, want)
			}
		}
		if len(got) != 1 || got[0] != "white" {
			t.Errorf("the handler got %q", got)
		}
		if m := wire.PercentDecode(all[3].field("grpc-message")); !strings.Contains(m, `"some-bin"`) {
			t.Errorf("the message does not name the key: %s", m)
		}
		if p := all[5].field("grpc-retry-pushback-ms"); p != "-1" {
			t.Errorf("a refusal that is final has pushback %q", p)
		}
	})
}
