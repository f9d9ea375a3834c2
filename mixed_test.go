package naru_test

import (
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/naru-rpc/naru/stub"
)

// Messages larger and smaller than frames, behind each other, on several streams at once.
func TestStreamsOfMixedSizes(t *testing.T) {
	p := start(t, "http2", plain())
	sizes := []int{27182, 8, 1828, 45904}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				s, err := stub.NewClientStreamingClient[text, text](t.Context(), p, methodClient)
				if err != nil {
					t.Error(err)
					return
				}
				for _, n := range sizes {
					if err := s.Send(str(strings.Repeat("x", n))); err != nil {
						t.Error(err)
						return
					}
				}
				if _, err := s.CloseAndRecv(); err != nil {
					t.Error(err)
					return
				}
				b, err := stub.NewBidiStreamingClient[text, text](t.Context(), p, methodBidi)
				if err != nil {
					t.Error(err)
					return
				}
				for _, n := range sizes {
					if err := b.Send(str(strings.Repeat("x", n))); err != nil {
						t.Error(err)
						return
					}
				}
				_ = b.CloseSend()
				for err == nil {
					_, err = b.Recv()
				}
				if err != io.EOF {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
