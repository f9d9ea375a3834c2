package interop

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/naru-rpc/naru"
	testsvc "github.com/naru-rpc/naru/test/internal/grpctestingnaru"
	testpb "google.golang.org/grpc/interop/grpc_testing"
)

// Soak says how long and how hard the soak cases work.
type Soak struct {
	Iterations  int // over all threads
	Threads     int
	MaxFailures int           // so many iterations may fail, or be too slow
	MaxLatency  time.Duration // an iteration that takes longer counts as failed
	Overall     time.Duration // for everything
	MinInterval time.Duration // between the starts of two calls of a thread
	Request     int           // bytes
	Response    int           // bytes
	Log         io.Writer     // a line per failed iteration
}

// rpcSoak makes its calls on one channel.
func rpcSoak(ctx context.Context, p *Peer) error {
	return p.soak(ctx, func() (*naru.Client, func(), error) { return p.cc, func() {}, nil })
}

// channelSoak makes every call on a channel of its own.
func channelSoak(ctx context.Context, p *Peer) error {
	return p.soak(ctx, func() (*naru.Client, func(), error) {
		cc, err := p.Dial()
		if err != nil {
			return nil, nil, err
		}
		return cc, func() { cc.Close() }, nil
	})
}

// A channelSource gives out the channel for one call, and what to do after it.
type channelSource func() (*naru.Client, func(), error)

func (p *Peer) soak(ctx context.Context, channel channelSource) error {
	s := p.Soak
	if s.Threads < 1 || s.Iterations%s.Threads != 0 {
		return fmt.Errorf("%d iterations cannot be shared evenly by %d threads", s.Iterations, s.Threads)
	}
	ctx, cancel := context.WithTimeout(ctx, s.Overall)
	defer cancel()
	var (
		threads      sync.WaitGroup
		mu           sync.Mutex
		done, failed int // guarded by mu
	)
	for range s.Threads {
		threads.Go(func() {
			for range s.Iterations / s.Threads {
				began := time.Now()
				err := p.soakOnce(ctx, channel)
				mu.Lock()
				done++
				if err != nil {
					failed++
					fmt.Fprintf(s.Log, "iteration %d: %v\n", done, err)
				}
				mu.Unlock()
				if pause(ctx, s.MinInterval-time.Since(began)) != nil {
					return
				}
			}
		})
	}
	threads.Wait()
	if done < s.Iterations {
		return fmt.Errorf("only %d of %d iterations in %v", done, s.Iterations, s.Overall)
	}
	if failed > s.MaxFailures {
		return fmt.Errorf("%d of %d iterations failed, %d may", failed, done, s.MaxFailures)
	}
	return nil
}

// soakOnce makes one call and wants it right and in time.
func (p *Peer) soakOnce(ctx context.Context, channel channelSource) error {
	cc, release, err := channel()
	if err != nil {
		return err
	}
	defer release()
	began := time.Now()
	res, err := testsvc.NewTestServiceClient(cc).UnaryCall(ctx, &testpb.SimpleRequest{
		ResponseSize: int32(p.Soak.Response),
		Payload:      zeros(p.Soak.Request),
	})
	if err != nil {
		return err
	}
	if took := time.Since(began); took > p.Soak.MaxLatency {
		return fmt.Errorf("took %v, more than %v", took, p.Soak.MaxLatency)
	}
	return checkPayload(res.Payload, p.Soak.Response)
}
