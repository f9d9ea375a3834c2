package features

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/balancer"
)

// logBuffer is what was logged.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

var errDead = errors.New("dead")

func deadDialer(context.Context, string, string) (net.Conn, error) { return nil, errDead }

// TestClientsAreSilent: what the call's error says is not also logged, unless a logger was given.
func TestClientsAreSilent(t *testing.T) {
	var log logBuffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	defer slog.SetDefault(before)
	err := ask(t, "passthrough:///x:1", naru.WithPlaintext(), naru.WithDialer(deadDialer))
	wantText(t, err, "dead")
	if log.String() != "" {
		t.Errorf("logged without being asked:\n%s", log.String())
	}
	_ = ask(t, "passthrough:///x:1", naru.WithPlaintext(), naru.WithDialer(deadDialer), naru.WithLogger(slog.Default()))
	if !strings.Contains(log.String(), "connection failed") {
		t.Errorf("WithLogger: got %q, want the failed connection", log.String())
	}
}

// TestManyDeadAddresses: a target of 3,000 addresses, none of which can be connected to, costs few
// and short texts, and calls fail with one.
func TestManyDeadAddresses(t *testing.T) {
	var addrs []string
	for i := range 3000 {
		addrs = append(addrs, fmt.Sprintf("10.0.%d.%d:50051", i/250, i%250))
	}
	for _, p := range []balancer.Policy{
		balancer.PickFirst{}, balancer.RoundRobin{}, balancer.LeastRequest{}, balancer.WeightedRoundRobin{},
		balancer.RingHash{Header: "k"}, balancer.RandomSubsetting{Size: 20}, balancer.OutlierDetection{},
	} {
		t.Run(p.Name(), func(t *testing.T) {
			virtual(t, func(t *testing.T, fl *fleet) {
				var log logBuffer
				c := fl.clientOf("ipv4:"+strings.Join(addrs, ","), naru.WithBalancer(p), naru.WithDialer(deadDialer),
					naru.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
				for range 3 {
					_, err := get(c, naru.WithMetadata("k", "v"))
					wantText(t, err, "dead")
					if n := len(err.Error()); n > 1000 {
						t.Errorf("an error of %d bytes, want a line: %.300s", n, err.Error())
					}
					pass(10 * time.Second)
				}
				if n := len(log.String()); n == 0 || n > 20_000 {
					t.Errorf("%d bytes were logged in 30 s, want some, and at most 20,000", n)
				}
			})
		})
	}
}
