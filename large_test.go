package naru_test

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/naru-rpc/naru"
)

// TestCallsThatWaitForEachOther: handlers of a method whose answers are not known yet, and of one that
// gives large ones, are held back only for a moment. All of 200 have to run at a time, or none ends.
func TestCallsThatWaitForEachOther(t *testing.T) {
	const calls = 200
	for _, first := range []string{"", "a large answer"} {
		t.Run("after "+first, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var all sync.WaitGroup
				large := strings.Repeat("x", 2<<20)
				p := start(t, "inproc", &echo{unary: func(_ context.Context, m *text) (*text, error) {
					if m.GetValue() == "large" {
						return str(large), nil
					}
					all.Done()
					all.Wait()
					return m, nil
				}})
				if first != "" {
					if m, err := p.unary(t.Context(), "large"); err != nil || len(m) != len(large) {
						t.Fatalf("%d bytes, %v", len(m), err)
					}
				}
				all.Add(calls)
				errs := make(chan error, calls) // one for each call
				for range calls {
					go func() {
						_, err := p.unary(t.Context(), "wait for the others")
						errs <- err
					}()
				}
				for range calls {
					if err := <-errs; err != nil {
						t.Error(err)
					}
				}
			})
		})
	}
}

// TestManyUploads: four connections that begin a message on each of 256 streams share memory for a part of
// them. Peers that go on are neither refused nor cut.
func TestManyUploads(t *testing.T) {
	const conns, calls = 4, 4 * 256
	p := start(t, "http2", &echo{unary: func(_ context.Context, m *text) (*text, error) {
		return str(strconv.Itoa(len(m.GetValue()))), nil
	}}, clientOnly{naru.WithConnectionScaling(conns)})
	upload := strings.Repeat("x", 200_000)
	var running sync.WaitGroup
	for range calls {
		running.Go(func() {
			if got, err := p.unary(t.Context(), upload); err != nil || got != strconv.Itoa(len(upload)) {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	running.Wait()
	for reason, n := range p.srv.Stats().Ended {
		if strings.HasPrefix(reason, "receive_") {
			t.Errorf("%s: %d", reason, n)
		}
	}
}
