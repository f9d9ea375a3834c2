// Package recorded makes real traffic for tests: the bytes of both directions of one connection
// between naru's client and server.
package recorded

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/dynamic"
	"github.com/naru-rpc/naru/health"
	"github.com/naru-rpc/naru/reflection"
)

// Calls is how many health checks [Traffic] makes.
const Calls = 20

// Traffic makes calls of the health and reflection services, some with much metadata, some
// compressed and some that fail, and returns what the client and the server wrote.
func Traffic(t testing.TB) (toServer, toClient []byte) {
	t.Helper()
	srv, err := naru.NewServer()
	if err != nil {
		t.Fatal(err)
	}
	health.Register(srv, health.NewServer())
	reflection.Register(srv)
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1) // Serve's one result
	go func() { served <- srv.Serve(lis) }()
	tap := &tap{}
	client, err := naru.NewClient(lis.Addr().String(), naru.WithPlaintext(), naru.WithDialer(tap.dial))
	if err != nil {
		t.Fatal(err)
	}
	for i := range Calls {
		opts := []naru.CallOption{naru.WithMetadata("x-call", fmt.Sprint(i), "x-token", strings.Repeat("secret ", i*10), "x-trace-bin", "\x00\x01\x02")}
		if i%3 == 0 {
			opts = append(opts, naru.WithCompression("gzip"))
		}
		service := ""
		if i%2 == 0 {
			service = strings.Repeat("no.such.Service", 200) // NOT_FOUND
		}
		if _, err := health.Check(t.Context(), client, service, opts...); (err != nil) != (i%2 == 0) {
			t.Fatalf("call %d: %v", i, err)
		}
	}
	if _, err := dynamic.Reflection(client).Find(t.Context(), "grpc.health.v1.Health"); err != nil {
		t.Fatal(err)
	}
	client.Close()
	srv.Close()
	<-served
	tap.mu.Lock()
	defer tap.mu.Unlock()
	return tap.written, tap.read
}

// tap keeps what crosses the connections it makes.
type tap struct {
	mu            sync.Mutex
	written, read []byte
}

func (t *tap) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &tapped{c, t}, nil
}

type tapped struct {
	net.Conn
	tap *tap
}

func (c *tapped) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.tap.mu.Lock()
	defer c.tap.mu.Unlock()
	c.tap.read = append(c.tap.read, p[:n]...)
	return n, err
}

func (c *tapped) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.tap.mu.Lock()
	defer c.tap.mu.Unlock()
	c.tap.written = append(c.tap.written, p[:n]...)
	return n, err
}
