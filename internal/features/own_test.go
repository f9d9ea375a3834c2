package features

import (
	"strings"
	"testing"

	"github.com/naru-rpc/naru/balancer"
	"github.com/naru-rpc/naru/connectivity"
)

// wantText fails unless err's text has want in it.
func wantText(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want an error with %q", err, want)
	}
}

// ownPolicy is a policy of a user around a built-in one, which shows each call to see before it is
// picked for.
type ownPolicy struct {
	balancer.Policy
	see func(*balancer.CallInfo)
}

func (ownPolicy) Name() string { return "own" }

func (p ownPolicy) New(host balancer.Host) balancer.Balancer {
	return ownBalancer{p.Policy.New(ownHost{host, p.see}), p.Policy}
}

type ownBalancer struct {
	balancer.Balancer
	policy balancer.Policy
}

func (b ownBalancer) Update(u balancer.Update) error {
	u.Policy = b.policy
	return b.Balancer.Update(u)
}

type ownHost struct {
	balancer.Host
	see func(*balancer.CallInfo)
}

func (h ownHost) Publish(s balancer.State) {
	if s.State == connectivity.Ready {
		s.Picker = ownPicker{s.Picker, h.see}
	}
	h.Host.Publish(s)
}

type ownPicker struct {
	balancer.Picker
	see func(*balancer.CallInfo)
}

func (p ownPicker) Pick(call *balancer.CallInfo, out *balancer.Pick) error {
	p.see(call)
	return p.Picker.Pick(call, out)
}
