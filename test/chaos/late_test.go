package chaos

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestLate: how long a call has taken does not make it late while others do not get on either.
func TestLate(t *testing.T) {
	for _, tt := range []struct {
		name  string
		every time.Duration // a call ends
		want  time.Duration // until the call is late
	}{
		{"others end quickly", time.Millisecond, hang},
		{"the machine is busy", 20 * time.Millisecond, 41 * time.Second},
		{"nothing ends", time.Hour, stuck},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{}
				began := time.Now()
				late := make(chan time.Duration, 1) // capacity 1: when it was
				stop := w.watch(began, func() { late <- time.Since(began) })
				defer stop()
				tick := time.NewTicker(tt.every)
				defer tick.Stop()
				for {
					select {
					case <-tick.C:
						w.ended.Add(1)
						continue
					case got := <-late:
						if got != tt.want {
							t.Errorf("late after %v, want %v", got, tt.want)
						}
						return
					}
				}
			})
		})
	}
}
