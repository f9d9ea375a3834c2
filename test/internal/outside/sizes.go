package outside

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/test/internal/pair"
)

// Peers in other languages and proxies are called with messages of many sizes, above all around the
// 64 KiB of the window that streams begin with, and the ends of both directions come at once or
// later than the message: whoever looks for the end only while there is window finds out then.

// sizes are those of messages, in bytes.
var sizes = append([]int{1, 1000, 16_000, 20_000, 100_000, 271_828, 1 << 20, 4 << 20, 20 << 20}, around(1<<16)...)

// around is many sizes near one: the end of a window is met to the byte, whatever the framing adds.
func around(n int) (list []int) {
	for d := -40; d <= 40; d += 5 {
		list = append(list, n+d)
	}
	for d := 900; d <= 1100; d += 20 { // the window and what a first grant of some peers adds
		list = append(list, n+d)
	}
	return list
}

const (
	laterEnd   = 300 * time.Millisecond // between a message and the end behind it
	sizeLimit  = 64 << 20               // of messages, on every end
	sizeTime   = 10 * time.Second       // a call that takes longer hangs
	enough     = 5                      // failed calls: the rest would only take time
	atTheSame  = 12                     // calls under way
	hugeAmount = 4 << 20                // messages from here on are sent one at a time
)

// sizesHandler answers "<bytes> <milliseconds>;..." with as many bytes, behind the number of bytes
// it has received and a semicolon, and ends so many milliseconds later.
func sizesHandler(c pair.ServerCall) error {
	first, err := c.Recv()
	if err != nil {
		return err
	}
	var down, later int
	if _, err := fmt.Sscanf(first, "%d %d;", &down, &later); err != nil {
		return &pair.Failure{Code: codes.InvalidArgument, Message: err.Error()}
	}
	total := len(first)
	for err == nil {
		var m string
		m, err = c.Recv()
		total += len(m)
	}
	if err != io.EOF {
		return err
	}
	if err := c.Send(fmt.Sprintf("%d;", total) + strings.Repeat("d", down)); err != nil {
		return err
	}
	if later > 0 {
		<-time.After(time.Duration(later) * time.Millisecond)
	}
	return nil
}

// A sizeCall is one call of the table.
type sizeCall struct {
	kind             pair.Kind
	up, down         int
	sendEnd, recvEnd bool // the end comes later than the message
}

func (c sizeCall) String() string {
	s := fmt.Sprintf("%s, %d bytes up, %d down", c.kind, c.up, c.down)
	if c.sendEnd {
		s += ", requests end later"
	}
	if c.recvEnd {
		s += ", responses end later"
	}
	return s
}

// sizeCalls are the calls of the table.
func sizeCalls() (all []sizeCall) {
	for _, n := range sizes {
		all = append(all, sizeCall{kind: pair.Unary, up: n}, sizeCall{kind: pair.Unary, down: n})
		for _, later := range []bool{false, true} {
			all = append(all,
				sizeCall{kind: pair.Client, up: n, sendEnd: later},
				sizeCall{kind: pair.Server, down: n, recvEnd: later},
				sizeCall{kind: pair.Bidi, up: n, down: n, sendEnd: later, recvEnd: later})
		}
	}
	return all
}

// run makes the call and returns what is wrong with it.
func (c sizeCall) run(ctx context.Context, client pair.ClientConn) error {
	ctx, cancel := context.WithTimeout(ctx, sizeTime)
	defer cancel()
	later := 0
	if c.recvEnd {
		later = int(laterEnd / time.Millisecond)
	}
	m := fmt.Sprintf("%d %d;", c.down, later)
	m += strings.Repeat("u", max(0, c.up-len(m)))
	r := pair.Request{Kind: c.kind, Messages: []string{m}}
	if c.sendEnd {
		r.Sent = func(int) { <-time.After(laterEnd) }
	}
	res := client.Do(ctx, r)
	switch {
	case res.Code != codes.OK:
		return fmt.Errorf("%v %s", res.Code, res.Message)
	case len(res.Messages) != 1 || res.Messages[0] != fmt.Sprintf("%d;", len(m))+strings.Repeat("d", c.down):
		return errors.New("the response is not the one that belongs to the request")
	}
	return nil
}

// runSizes makes every call of the table, many at a time.
func runSizes(ctx context.Context, r *Result, client pair.ClientConn) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	slots := make(chan struct{}, atTheSame) // capacity: calls under way
	failed := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return r.Failed >= enough
	}
	for _, c := range sizeCalls() {
		if failed() {
			break
		}
		weight := 1
		if c.up+c.down >= hugeAmount {
			weight = atTheSame
		}
		for range weight {
			slots <- struct{}{}
		}
		wg.Go(func() {
			err := c.run(ctx, client)
			for range weight {
				<-slots
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				r.fail("%s: %v", c, err)
			} else {
				r.Passed++
			}
		})
	}
	wg.Wait()
}

// serveSizes starts the service on naru in this process.
func serveSizes(h pair.Handler, secure bool, f *foreign, limits pair.Limits) (*pair.Running, error) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	cfg := pair.ServerConfig{Listener: lis, Handler: h, Limits: limits}
	if secure {
		cert, err := tls.LoadX509KeyPair(f.cert, f.keyPEM)
		if err != nil {
			return nil, err
		}
		cfg.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	}
	return pair.Naru.Serve(cfg)
}

// dialSizes is a stack's client of a server on a port of this machine.
func dialSizes(stack pair.Stack, port int, secure bool, f *foreign) (pair.ClientConn, error) {
	cfg := pair.ClientConfig{
		Server: &pair.Running{Addr: fmt.Sprintf("localhost:%d", port)}, Limits: pair.Limits{Receive: sizeLimit},
		Options: []any{naru.WithAuthority("localhost"), grpc.WithAuthority("localhost")},
	}
	if secure {
		pem, err := os.ReadFile(f.caFile)
		if err != nil {
			return nil, err
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
		cfg.TLS = &tls.Config{RootCAs: roots, ServerName: "localhost"}
	}
	return stack.Dial(cfg)
}
