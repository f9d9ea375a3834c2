package endpoint

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/stats"
	"github.com/naru-rpc/naru/status"
)

// tracer writes what happens to connections and calls, with the time since it began. Safe for
// concurrent use.
type tracer struct {
	start time.Time

	mu sync.Mutex // guards w
	w  io.Writer
}

func newTracer(w io.Writer) *tracer { return &tracer{start: time.Now(), w: w} }

func (t *tracer) printf(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(t.w, "# %9s  %s\n", millis(time.Since(t.start)), fmt.Sprintf(format, args...))
}

func millis(d time.Duration) string { return fmt.Sprintf("%.3fms", float64(d.Nanoseconds())/1e6) }

// options are what makes a client report to t.
func (t *tracer) options() []naru.ClientOption {
	return []naru.ClientOption{naru.WithDialer(t.dial), naru.WithInterceptors(t.call)}
}

func (t *tracer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	t.printf("resolved; connecting to %s", address)
	start := time.Now()
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		t.printf("not connected after %s: %v", millis(time.Since(start)), err)
		return nil, err
	}
	t.printf("connected in %s", millis(time.Since(start)))
	return conn, nil
}

// call reports one call of any kind.
func (t *tracer) call(ctx context.Context, call *naru.Call, next func(context.Context) error) error {
	start := time.Now()
	name := call.Method().FullMethod
	t.printf("%s begins", name)
	call.OnAttempt(func(a naru.Attempt) {
		if !a.Ended {
			t.printf("attempt %d sent to %s over %s", a.Number, a.Peer.Addr, security(a.Peer.TLS))
			return
		}
		t.printf("attempt %d ended: %s", a.Number, outcome(a.Err))
	})
	var first sync.Once
	call.OnReceive(func(any, naru.MessageInfo) error {
		first.Do(func() { t.printf("first message after %s", millis(time.Since(start))) })
		return nil
	})
	err := next(ctx)
	t.printf("%s ended after %s: %s; sent %s; received %s", name, millis(time.Since(start)), outcome(err), counted(call.Sent()), counted(call.Received()))
	return err
}

func outcome(err error) string {
	if err == nil {
		return "OK"
	}
	return status.Convert(err).Err().Error()
}

func counted(c stats.Count) string {
	return fmt.Sprintf("%d messages of %d bytes, %d on the wire", c.Messages, c.Bytes, c.WireBytes)
}

func security(state *tls.ConnectionState) string {
	if state == nil {
		return "plaintext"
	}
	return tls.VersionName(state.Version) + " " + tls.CipherSuiteName(state.CipherSuite)
}
