package naru_test

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/serviceconfig"
	"github.com/naru-rpc/naru/status"
)

// A hedged stream none of whose attempts finds a connection fails with their status, whichever
// operation hears of it first: it is neither a success nor a panic, also for those that are under
// way when the last attempt fails.
func TestHedgedStreamWithoutAConnection(t *testing.T) {
	hedge := serviceconfig.HedgingPolicy{MaxAttempts: 3, HedgingDelay: time.Millisecond, NonFatalStatusCodes: []codes.Code{codes.Unavailable}}
	large := str(strings.Repeat("x", 10_000))
	operations := map[string]func(s naru.ClientStream) error{
		"receive": func(s naru.ClientStream) error { return s.RecvMsg(new(text)) },
		"header":  func(s naru.ClientStream) error { _, err := s.Header(); return err },
		"send": func(s naru.ClientStream) error {
			for s.SendMsg(large) == nil {
			}
			return s.RecvMsg(new(text))
		},
		"send after the end": func(s naru.ClientStream) error {
			<-time.After(time.Minute)
			if err := s.SendMsg(large); err != io.EOF {
				return err
			}
			return s.RecvMsg(new(text))
		},
		"header after the end": func(s naru.ClientStream) error {
			<-time.After(time.Minute)
			_, err := s.Header()
			return err
		},
	}
	for name, do := range operations {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cl := newCluster(t, "a:1") // which does not listen
				c := cl.dial("passthrough:///a:1")
				for range 20 {
					s, err := c.NewStream(t.Context(), methodBidi, naru.WithHedging(hedge))
					if err != nil {
						t.Fatal(err)
					}
					if err := do(s); status.Code(err) != codes.Unavailable {
						t.Errorf("got %v, want UNAVAILABLE", err)
					}
					if md := s.Trailer(); len(md) != 0 {
						t.Errorf("trailer %v", md)
					}
					_ = s.Close()
				}
				_ = c.Close()
			})
		})
	}
}
