package channel

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru/balancer"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/internal/call/client"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/resolver"
	"github.com/naru-rpc/naru/serviceconfig"
	"github.com/naru-rpc/naru/status"
)

var (
	storms    = flag.Int("storms", 150, "how many random lives of a channel TestStorm makes")
	stormSeed = flag.Uint64("storm-seed", 0, "the first of them, 0: a new one")
)

// TestStorm lets a channel live with resolver updates, lost connections, hosts that refuse or do
// not answer, health that changes, policies that are replaced, and calls, all at random, in virtual
// time. It must not fail a call that can be served, publish without bound, or leak a connection;
// and when it is calm again it must be as if nothing had been.
func TestStorm(t *testing.T) {
	first := *stormSeed
	if first == 0 {
		first = rand.Uint64()
	}
	n := *storms
	if testing.Short() {
		n = min(n, 30)
	}
	for i := range n {
		seed := first + uint64(i)
		synctest.Test(t, func(t *testing.T) {
			s := newStorm(t, seed)
			s.run()
			s.wantBounded()
			s.calm()
			s.end()
			if t.Failed() {
				t.Errorf("%s; again, some times as balancers draw lots of their own: go test ./internal/channel -run TestStorm -storms 1 -storm-seed %d", s, seed)
			}
		})
		if t.Failed() {
			return
		}
	}
}

// A storm is one life of a channel.
type storm struct {
	*testing.T
	rng *rand.Rand
	net *fakeNet
	c   *Channel
	res *stormResolver

	// chosen at the beginning
	steady  bool // one host, always among the endpoints, never fails
	watched bool // health is
	limited bool // connections have few streams
	ring    bool // ring_hash is among the policies: its calls wait for the host they belong to, so that none hangs
	idle    time.Duration
	policy  balancer.Policy

	counts stormCounts
	wg     sync.WaitGroup
	causes int // of pickers: updates, failures, changes of hosts and connections
	picks  int
	failed atomic.Int64
}

func (s *storm) String() string {
	return fmt.Sprintf("steady %v, watched %v, limited %v, ring %v, idle timeout %v, last policy %s, %d picks",
		s.steady, s.watched, s.limited, s.ring, s.idle, s.policy.Name(), s.picks)
}

var stormHosts = []string{"s:1", "a:1", "b:1", "c:1", "d:1", "e:1"}

const (
	steadyHost    = "s:1"
	stormPatience = 10 * time.Second // a call that could be served is, in that time
)

func newStorm(t *testing.T, seed uint64) *storm {
	s := &storm{T: t, rng: rand.New(rand.NewPCG(seed, 1)), net: newFakeNet(t)}
	s.steady, s.watched, s.limited = s.rng.IntN(2) == 0, s.rng.IntN(2) == 0, s.rng.IntN(2) == 0
	s.ring = s.rng.IntN(2) == 0
	s.idle = []time.Duration{-1, 0, 2 * time.Second}[s.rng.IntN(3)]
	s.policy = s.anyPolicy()
	s.res = &stormResolver{changed: make(chan struct{}, 1)}
	s.res.set(s.update(stormHosts...), nil)
	s.net.opened = s.opened
	if s.limited {
		s.net.limit = uint32(2 + s.rng.IntN(8))
	}
	s.c = newTestWith(t, s.net, Config{
		Target: "test:///x", Resolvers: resolver.NewRegistry(s.res), IdleTimeout: s.idle,
		Backoff: connectivity.Backoff{Jitter: -1, MaxDelay: 10 * time.Second},
	})
	return s
}

func (s *storm) anyPolicy() balancer.Policy {
	leaves := []balancer.Policy{
		balancer.RoundRobin{}, balancer.LeastRequest{}, balancer.WeightedRoundRobin{},
		balancer.OutlierDetection{Interval: time.Second, FailurePercentage: &balancer.FailurePercentageEjection{}},
	}
	if s.ring {
		leaves = append(leaves, balancer.RingHash{Header: "x"})
	}
	if !s.watched { // it does not look at health
		leaves = append(leaves, balancer.PickFirst{}, balancer.PickFirst{Shuffle: true})
	}
	return leaves[s.rng.IntN(len(leaves))]
}

// update is a resolver's answer.
func (s *storm) update(hosts ...string) resolver.State {
	sc := &serviceconfig.Config{LoadBalancingConfig: stormPolicy{s.policy, &s.counts}}
	if s.watched {
		sc.HealthCheckConfig = new(serviceconfig.HealthCheckConfig)
	}
	return resolver.State{Endpoints: resolver.EndpointsOf(hosts...), ServiceConfig: sc}
}

func (s *storm) run() {
	for range 150 + s.rng.IntN(150) {
		s.step()
		switch s.rng.IntN(4) {
		case 0: // at the same time
		case 1:
			synctest.Wait()
		case 2:
			after(time.Duration(s.rng.IntN(50)) * time.Millisecond)
		case 3:
			after(time.Duration(s.rng.IntN(1000)) * time.Millisecond)
		}
	}
}

func (s *storm) step() {
	switch n := s.rng.IntN(100); {
	case n < 50:
		s.pick(s.steady)
	case n < 60:
		s.causes++
		if s.rng.IntN(3) == 0 {
			s.policy = s.anyPolicy()
		}
		s.res.set(s.update(s.someHosts()...), nil)
	case n < 63:
		s.causes++
		s.res.set(resolver.State{}, errors.New("no name server"))
	case n < 75:
		s.causes++
		how := []string{"", "", "refuse", "hang"}[s.rng.IntN(4)]
		if how == "hang" && s.ring {
			how = "refuse"
		}
		s.net.set(s.anyHost(), how)
	case n < 87:
		s.lose()
	case n < 95:
		s.net.setHealth(s.anyHost(), s.rng.IntN(2) == 0)
	case n < 96:
		s.flood()
	case n < 98:
		s.c.Connect()
	default:
		s.relimit()
	}
}

func (s *storm) someHosts() []string {
	var hosts []string
	for _, h := range stormHosts {
		if h == steadyHost && s.steady || s.rng.IntN(2) == 0 {
			hosts = append(hosts, h)
		}
	}
	s.rng.Shuffle(len(hosts), func(i, j int) { hosts[i], hosts[j] = hosts[j], hosts[i] })
	return hosts
}

// anyHost is one that may fail.
func (s *storm) anyHost() string {
	if s.steady {
		return stormHosts[1+s.rng.IntN(len(stormHosts)-1)]
	}
	return stormHosts[s.rng.IntN(len(stormHosts))]
}

// lose ends a connection, in one of the ways in which they end.
func (s *storm) lose() {
	synctest.Wait() // the list of connections must not depend on the scheduler
	live := s.net.live()
	if len(live) == 0 {
		return
	}
	c := live[s.rng.IntN(len(live))]
	if s.steady && c.addr == steadyHost {
		return
	}
	s.causes++
	if s.rng.IntN(2) == 0 {
		c.goAway(0, "max_age")
		c.settle()
		return
	}
	c.fail(&transport.Error{Scope: transport.ScopeConn, Origin: transport.OriginNetwork, Token: "read_failed"})
}

// flood has a host change what it says of its health as fast as it can.
func (s *storm) flood() {
	h := s.anyHost()
	for i := range 500 {
		s.net.setHealth(h, i%2 == 0)
		synctest.Wait()
	}
}

// relimit changes how many streams connections have, for those that are there and those to come.
func (s *storm) relimit() {
	if !s.limited {
		return
	}
	limit := uint32(2 + s.rng.IntN(8))
	s.net.mu.Lock()
	s.net.limit = limit
	s.net.mu.Unlock()
	for _, c := range s.net.live() {
		c.setLimit(limit)
	}
}

// pick makes a call: a pick, some time on the connection, the end. Where a host is steady, it must
// be served.
func (s *storm) pick(must bool) {
	info := &client.PickInfo{FullMethod: "/s/m", Attempt: 1 + s.rng.IntN(2), WaitForReady: s.rng.IntN(3) == 0}
	hold := time.Duration(s.rng.IntN(300)) * time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	canceled := !must && s.rng.IntN(4) == 0
	if canceled {
		time.AfterFunc(hold, cancel)
	}
	deadline := stormPatience
	if !must && s.rng.IntN(2) == 0 {
		deadline = time.Duration(s.rng.IntN(1000)) * time.Millisecond
	}
	info.Deadline = time.Now().Add(deadline)
	s.picks++
	s.wg.Go(func() {
		defer cancel()
		start := time.Now()
		conn, done, err := s.c.Pick(ctx, info)
		if err != nil {
			s.judge(err, must, canceled, info, start)
			return
		}
		fc := conn.(*fakeConn)
		open := fc.openStream()
		if open {
			after(hold)
			fc.closeStream()
		}
		end := client.DoneInfo{Sent: open, Received: open}
		if !open {
			end.Err = status.Error(codes.Unavailable, "the connection was lost")
		}
		done(end)
	})
}

// judge checks the error of a pick against what the storm did to it.
func (s *storm) judge(err error, must, canceled bool, info *client.PickInfo, start time.Time) {
	s.failed.Add(1)
	code := status.Code(err)
	switch {
	case must:
		s.Errorf("after %v, in state %v: %v; %s could serve it", time.Since(start), s.c.State(), err, steadyHost)
	case code == codes.Canceled && canceled:
	case code == codes.DeadlineExceeded && !time.Now().Before(info.Deadline):
	case code == codes.Unavailable && !info.WaitForReady:
	default:
		s.Errorf("after %v (canceled %v, deadline at %v, wait for ready %v): %v", time.Since(start), canceled,
			info.Deadline.Sub(start), info.WaitForReady, err)
	}
}

// calm ends the storm and looks at what it has left.
func (s *storm) calm() {
	for _, h := range stormHosts {
		s.net.set(h, "")
		s.net.setHealth(h, true)
	}
	s.net.mu.Lock()
	s.net.limit = 0
	s.net.mu.Unlock()
	hosts := s.someHosts()
	if len(hosts) == 0 {
		hosts = []string{"a:1"}
	}
	s.res.set(s.update(hosts...), nil)
	s.wg.Wait()
	for _, c := range s.net.live() {
		c.setLimit(1 << 20)
	}
	after(time.Minute) // longest backoff, ejections, health, watch of health after its backoff
	for range 3 * len(stormHosts) {
		conn, done := s.mustServe(hosts)
		done(client.DoneInfo{Sent: true, Received: true})
		if !slices.Contains(hosts, conn.addr) {
			s.Errorf("when it was calm a call went to %v, which is none of %v", conn, hosts)
		}
	}
	after(3 * time.Minute) // extra connections are closed, idle policies go idle
	s.wantClean(hosts)
}

// wantBounded checks how many pickers were published against what the causes of pickers account
// for. One of them may change the state of each host twice (CONNECTING, and what comes of it);
// health has a bound of its own; weights and ejections change on timers of a second.
func (s *storm) wantBounded() {
	perHost := int64(len(stormHosts))
	seconds := int64(time.Since(s.net.start) / time.Second)
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	most := 2*int64(len(s.net.dials)) + perHost*int64(2*s.causes) + perHost*(healthBurst+seconds)
	if got := s.counts.published.Load(); got > most {
		s.Errorf("%d pickers were published, want %d at most", got, most)
	}
}

func (s *storm) mustServe(hosts []string) (*fakeConn, func(client.DoneInfo)) {
	conn, done, err := s.c.Pick(context.Background(), &client.PickInfo{
		FullMethod: "/s/m", Attempt: 2, Deadline: time.Now().Add(stormPatience),
	})
	if err != nil {
		s.Fatalf("when it was calm, with %v: state %v, %v; %s", hosts, s.c.State(), err, s)
	}
	return conn.(*fakeConn), done
}

// wantClean checks that nothing is left of calls, and no connection that is not needed.
func (s *storm) wantClean(hosts []string) {
	synctest.Wait()
	perHost := map[string]int{}
	for _, c := range s.net.live() {
		perHost[c.addr]++
		if !slices.Contains(hosts, c.addr) || perHost[c.addr] > 1 {
			s.Errorf("when it was calm, with %v: connection %v is left; %d to its address", hosts, c, perHost[c.addr])
		}
	}
	if got := s.counts.open.Load(); got != 0 {
		s.Errorf("%d picks have not heard of their end", got)
	}
	if got := s.c.waiting.Load(); got != 0 {
		s.Errorf("%d calls wait, and there are none", got)
	}
	s.c.loop.wait(func() {
		if len(s.c.leaving) > 0 {
			s.Errorf("%d connections are leaving that have no calls", len(s.c.leaving))
		}
		for sub := range s.c.subs {
			for _, c := range sub.list() {
				if n := c.calls(); n != 0 {
					s.Errorf("%v counts %d calls, and there are none", c.t, n)
				}
			}
		}
	})
}

func (s *storm) end() {
	s.c.Close()
	if live := s.net.live(); len(live) > 0 {
		s.Errorf("after Close, connections are left: %v", live)
	}
	if _, _, err := s.c.Pick(context.Background(), &client.PickInfo{}); status.Code(err) != codes.Canceled {
		s.Errorf("call of a closed channel: got %v, want CANCELED", err)
	}
	if got := s.c.trying.String(); got != "" {
		s.Errorf("after Close: %s", got)
	}
}
