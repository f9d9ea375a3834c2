package balancer

import (
	"fmt"
	"math"
	"time"

	"github.com/naru-rpc/naru/serviceconfig"
)

// SlowStart lets an endpoint that has just become ready begin with a part of its share, which grows
// to the whole over a window: caches and compilers get warm first. Its weight is multiplied by
// max(MinWeight, (t / Window)^(1 / Aggression)), where t is the time since it became ready, 1 s at
// least (gRFC A100, as Envoy's slow start).
type SlowStart struct {
	// Window is how long it takes. Above 0.
	Window time.Duration
	// Aggression bends the curve: 1 is a straight line, more is faster in the beginning. 0: 1.
	Aggression float64
	// MinWeight is the least part of the share, in [0, 1]. 0: 0.1.
	MinWeight float64
}

// leastScale keeps an endpoint's share above 0, which would mean that it is not known.
const leastScale = 1.0 / maxStride

// slowStartStep is how often weights are worked out anew while an endpoint warms up.
const slowStartStep = time.Second

// scale is the factor at time t. A nil SlowStart is 1.
func (s *SlowStart) scale(t time.Duration) float64 {
	if s == nil || t >= s.Window || s.Window <= 0 {
		return 1
	}
	aggression, least := s.Aggression, s.MinWeight
	if aggression <= 0 {
		aggression = 1
	}
	if least == 0 {
		least = 0.1
	}
	return min(1, max(least, leastScale, math.Pow(max(t.Seconds(), 1)/s.Window.Seconds(), 1/aggression)))
}

// slowStartTimer works weights out anew while endpoints warm up. Owned by the channel's event loop.
type slowStartTimer struct{ stop func() }

func (t *slowStartTimer) arm(host Host, f func()) {
	t.cancel()
	t.stop = host.AfterFunc(slowStartStep, func() {
		t.stop = nil
		f()
	})
}

func (t *slowStartTimer) cancel() {
	if t.stop != nil {
		t.stop()
		t.stop = nil
	}
}

// parseSlowStart reads gRFC A100's SlowStartConfig.
func parseSlowStart(o *serviceconfig.Object) *SlowStart {
	var s *SlowStart
	o.Object("slowStartConfig", func(o *serviceconfig.Object) {
		s = &SlowStart{}
		if !o.Duration("slowStartWindow", &s.Window) || s.Window <= 0 {
			o.Errorf("slowStartWindow", "it must be there and above 0s")
		}
		if o.Float("aggression", &s.Aggression) && s.Aggression <= 0 {
			o.Errorf("aggression", "%v is not above 0", s.Aggression)
		}
		percent := 10.0
		if o.Float("minWeightPercent", &percent) && (percent < 0 || percent > 100) {
			o.Errorf("minWeightPercent", "%v is not from 0 to 100", percent)
		}
		s.MinWeight = max(percent/100, math.SmallestNonzeroFloat64) // 0 would mean the default
	})
	return s
}

// Validate names what makes no sense. nil is valid.
func (s *SlowStart) Validate() error {
	switch {
	case s == nil:
		return nil
	case s.Window <= 0:
		return fmt.Errorf("slow start: Window %v is not above 0", s.Window)
	case !finite(s.Aggression) || s.Aggression < 0:
		return fmt.Errorf("slow start: Aggression %v is not a number from 0 up", s.Aggression)
	case !(s.MinWeight >= 0 && s.MinWeight <= 1):
		return fmt.Errorf("slow start: MinWeight %v is not from 0 to 1", s.MinWeight)
	}
	return nil
}
