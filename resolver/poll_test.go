package resolver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/internal/leak"
)

func TestMain(m *testing.M) { leak.VerifyTestMain(m) }

// recorder is a Watcher that writes down what it hears, with the time since it was made.
type recorder struct {
	start   time.Time
	log     []string
	refuse  error // returned by Update
	settled bool  // Wanted is false
	refresh chan struct{}
}

func newRecorder() *recorder {
	return &recorder{start: time.Now(), refresh: make(chan struct{}, 1)}
}

func (r *recorder) note(format string, args ...any) {
	r.log = append(r.log, fmt.Sprintf("%v: ", time.Since(r.start))+fmt.Sprintf(format, args...))
}

func (r *recorder) Update(s State) error {
	var addrs []Address
	for _, e := range s.Endpoints {
		addrs = append(addrs, e.Addresses...)
	}
	r.note("%v", addrs)
	return r.refuse
}
func (r *recorder) Fail(err error)           { r.note("error %v", err) }
func (r *recorder) Wanted() bool             { return !r.settled }
func (r *recorder) Refresh() <-chan struct{} { return r.refresh }

// follow runs a resolver for d and returns what it reported.
func follow(r Resolver, w *recorder, d time.Duration) []string {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	r.Run(ctx, w)
	log := w.log
	w.log = nil
	return log
}

func want(t *testing.T, why string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\ngot  %q\nwant %q", why, got, want)
	}
}

var exact = connectivity.Backoff{Jitter: -1}

func TestPollOnATimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		r := Poll(func(context.Context) (State, error) {
			n++
			return State{Endpoints: EndpointsOf(fmt.Sprintf("a:%d", n))}, nil
		}, PollOptions{})
		want(t, "every 5 s", follow(r, newRecorder(), 12*time.Second), "0s: [a:1]", "5s: [a:2]", "10s: [a:3]")
		r = Poll(func(context.Context) (State, error) { return State{}, nil }, PollOptions{Interval: -1})
		want(t, "no timer", follow(r, newRecorder(), time.Hour), "0s: []")
	})
}

func TestPollOnRefreshIsRateLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		r := Poll(func(context.Context) (State, error) {
			n++
			return State{Endpoints: EndpointsOf(fmt.Sprintf("a:%d", n))}, nil
		}, PollOptions{Interval: -1})
		w := newRecorder()
		for _, at := range []time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 3 * time.Second, 10 * time.Second} {
			time.AfterFunc(at, func() {
				select {
				case w.refresh <- struct{}{}:
				default:
				}
			})
		}
		want(t, "2 s after the look-up before, at once if that is long ago",
			follow(r, w, time.Minute), "0s: [a:1]", "2s: [a:2]", "4s: [a:3]", "10s: [a:4]")
	})
}

func TestPollBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		r := Poll(func(context.Context) (State, error) {
			if n++; n <= 3 {
				return State{}, errors.New("no such host")
			}
			return State{}, nil
		}, PollOptions{Backoff: exact})
		want(t, "1 s times 1.6 each, then the interval", follow(r, newRecorder(), 12*time.Second),
			"0s: error no such host", "1s: error no such host", "2.6s: error no such host", "5.16s: []")
	})
}

func TestPollBacksOffWhenRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newRecorder()
		w.refuse = errors.New("empty")
		r := Poll(func(context.Context) (State, error) { return State{}, nil }, PollOptions{Backoff: exact})
		want(t, "an answer of no use is asked for again", follow(r, w, 3*time.Second), "0s: []", "1s: []", "2.6s: []")
	})
}

func TestPollReportsChangesOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := []string{"a:1", "a:1", "b:1", "", "b:1", "b:1"}
		r := Poll(func(context.Context) (State, error) {
			a := answers[0]
			answers = answers[1:]
			if a == "" {
				return State{}, errors.New("no such host")
			}
			return State{Endpoints: EndpointsOf(a)}, nil
		}, PollOptions{Backoff: exact})
		want(t, "5 s apart, and once more after an error", follow(r, newRecorder(), 22*time.Second),
			"0s: [a:1]", "10s: [b:1]", "15s: error no such host", "16s: [b:1]")
	})
}

func TestPollSparesTheServerWhileNothingIsWanted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		r := Poll(func(context.Context) (State, error) {
			n++
			return State{Endpoints: EndpointsOf(fmt.Sprintf("a:%d", n))}, nil
		}, PollOptions{})
		w := newRecorder()
		w.settled = true
		time.AfterFunc(time.Minute, func() { w.refresh <- struct{}{} })
		want(t, "nothing on the timer; at once when a connection fails", follow(r, w, 2*time.Minute), "0s: [a:1]", "1m0s: [a:2]")
	})
}

func TestPollTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := Poll(func(ctx context.Context) (State, error) {
			<-ctx.Done()
			return State{}, ctx.Err()
		}, PollOptions{Backoff: exact})
		want(t, "a look-up ends after 10 s", follow(r, newRecorder(), 15*time.Second),
			"10s: error context deadline exceeded (look-up timeout 10s)")
	})
}

func TestFixedResolvers(t *testing.T) {
	for in, wantLog := range map[string]string{
		"unix:///run/x.sock":          "0s: [unix:/run/x.sock]",
		"unix:x.sock":                 "0s: [unix:x.sock]",
		"unix-abstract:x":             "0s: [unix:@x]",
		"passthrough:///name:1":       "0s: [name:1]",
		"ipv4:10.0.0.1:80,10.0.0.2":   "0s: [10.0.0.1:80 10.0.0.2:443]",
		"ipv6:[::1]:80,[2001:db8::1]": "0s: [[::1]:80 [2001:db8::1]:443]",
		"10.0.0.1:80":                 "0s: [10.0.0.1:80]",
		"::1":                         "0s: [[::1]:443]",
		"[::1]:50051":                 "0s: [[::1]:50051]",
	} {
		synctest.Test(t, func(t *testing.T) {
			target, b, err := builtin().Parse(in, "dns")
			if err != nil {
				t.Fatal(err)
			}
			r, err := b.Build(target, Options{})
			if err != nil {
				t.Fatalf("%s: %v", in, err)
			}
			want(t, in, follow(r, newRecorder(), time.Minute), wantLog)
		})
	}
}
