//go:build !race && !invariants

package naru_test

import (
	"context"
	"testing"
	"time"

	"github.com/naru-rpc/naru/stub"
)

// Allocations of one unary call, client and server in one process together, messages included: the
// request on the server and the strings in both. What is left are the call and stream objects of
// both transports' ends.
func TestUnaryAllocations(t *testing.T) {
	deadline, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	for _, tt := range []struct {
		transport string
		ctx       context.Context
		most      float64
	}{
		{"http2", context.Background(), 8},
		{"http2", deadline, 10},
		{"inproc", context.Background(), 9},
	} {
		p := start(t, tt.transport, plain())
		req, res := str("hello"), new(text)
		call := func() {
			if err := p.Invoke(tt.ctx, methodUnary, req, res); err != nil {
				t.Fatal(err)
			}
		}
		for range 100 {
			call() // pools, workers and tables fill up
		}
		if n := testing.AllocsPerRun(1000, call); n > tt.most {
			t.Errorf("%s: %v allocations, want at most %v", tt.transport, n, tt.most)
		}
	}
}

func TestStreamAllocations(t *testing.T) {
	p := start(t, "http2", plain())
	s, err := stub.NewBidiStreamingClient[text, text](t.Context(), p, methodBidi)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	req, res := str("hello"), new(text)
	pingPong := func() {
		if err := s.SendMsg(req); err != nil {
			t.Fatal(err)
		}
		if err := s.RecvMsg(res); err != nil {
			t.Fatal(err)
		}
	}
	for range 100 {
		pingPong()
	}
	// The message at the server, and the string in it and in the answer.
	if n := testing.AllocsPerRun(1000, pingPong); n > 5 {
		t.Errorf("%v allocations for a message each way, want at most 5", n)
	}
}
