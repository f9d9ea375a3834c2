package naru_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
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
