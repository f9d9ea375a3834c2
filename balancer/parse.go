package balancer

import (
	"math"
	"time"

	"github.com/naru-rpc/naru/serviceconfig"
)

// Parsers of loadBalancingConfig. Where the JSON form tells an explicit zero from an absent value
// and the Go form takes zero for the default, the zero becomes the nearest value that is none.

func parsePickFirst(o *serviceconfig.Object) Policy {
	var p PickFirst
	o.Bool("shuffleAddressList", &p.Shuffle)
	return p
}

func parseRoundRobin(o *serviceconfig.Object) Policy {
	return RoundRobin{SlowStart: parseSlowStart(o)}
}

func parseLeastRequest(o *serviceconfig.Object) Policy {
	var p LeastRequest
	// gRFC A48: "If choice_count < 2, the config will be rejected"; more than 10 is 10.
	o.Int("choiceCount", &p.Choices, 2, math.MaxInt32)
	p.Choices = min(p.Choices, maxChoices)
	p.SlowStart = parseSlowStart(o)
	return p
}

func parseWeighted(o *serviceconfig.Object) Policy {
	var p WeightedRoundRobin
	o.Bool("enableOobLoadReport", &p.OutOfBand)
	positive(o, "oobReportingPeriod", &p.ReportingPeriod)
	if duration(o, "blackoutPeriod", &p.Blackout) && p.Blackout == 0 {
		p.Blackout = -1
	}
	positive(o, "weightExpirationPeriod", &p.Expiration)
	if duration(o, "weightUpdatePeriod", &p.UpdatePeriod) {
		p.UpdatePeriod = max(p.UpdatePeriod, minUpdatePeriod) // gRFC A58: "Values less than 100ms are capped"
	}
	if o.Float("errorUtilizationPenalty", &p.ErrorPenalty) {
		switch {
		case p.ErrorPenalty < 0:
			o.Errorf("errorUtilizationPenalty", "%v is negative", p.ErrorPenalty)
		case p.ErrorPenalty == 0:
			p.ErrorPenalty = -1
		}
	}
	p.SlowStart = parseSlowStart(o)
	return p
}

// maxRingAccepted: gRFC A42, "it will still accept values up to 8M"; what is used is less.
const maxRingAccepted = 8 << 20

func parseRingHash(o *serviceconfig.Object) Policy {
	var p RingHash
	o.Int("minRingSize", &p.MinSize, 1, maxRingAccepted)
	o.Int("maxRingSize", &p.MaxSize, 1, maxRingAccepted)
	if p.MinSize > 0 && p.MaxSize > 0 && p.MinSize > p.MaxSize {
		o.Errorf("minRingSize", "%d is more than maxRingSize %d", p.MinSize, p.MaxSize)
	}
	if o.String("requestHashHeader", &p.Header) {
		if err := validHeader(p.Header); err != "" {
			o.Errorf("requestHashHeader", "%q %s", p.Header, err)
		}
	}
	return p
}

func parseSubsetting(o *serviceconfig.Object) Policy {
	var p RandomSubsetting
	o.Require("subsetSize")
	o.Int("subsetSize", &p.Size, 1, math.MaxInt32)
	p.Child = childPolicy(o)
	return p
}

func parseOutlier(o *serviceconfig.Object) Policy {
	var p OutlierDetection
	positive(o, "interval", &p.Interval)
	positive(o, "baseEjectionTime", &p.BaseEjection)
	positive(o, "maxEjectionTime", &p.MaxEjection)
	if o.Int("maxEjectionPercent", &p.MaxPercent, 0, 100) && p.MaxPercent == 0 {
		p.MaxPercent = -1
	}
	o.Object("successRateEjection", func(o *serviceconfig.Object) {
		s := &SuccessRateEjection{}
		var thousandths int
		if o.Int("stdevFactor", &thousandths, 0, math.MaxInt32) {
			s.StdevFactor = max(float64(thousandths)/1000, math.SmallestNonzeroFloat64)
		}
		parseVolume(o, &s.Enforcement, &s.MinHosts, &s.Volume)
		p.SuccessRate = s
	})
	o.Object("failurePercentageEjection", func(o *serviceconfig.Object) {
		f := &FailurePercentageEjection{}
		var percent int
		if o.Int("threshold", &percent, 0, 100) {
			f.Threshold = max(float64(percent), math.SmallestNonzeroFloat64)
		}
		parseVolume(o, &f.Enforcement, &f.MinHosts, &f.Volume)
		p.FailurePercentage = f
	})
	o.Object("latencyEjection", func(o *serviceconfig.Object) {
		l := &LatencyEjection{}
		if o.Float("factor", &l.Factor) && l.Factor <= 1 {
			o.Errorf("factor", "%v is not above 1", l.Factor)
		}
		parseVolume(o, &l.Enforcement, &l.MinHosts, &l.Volume)
		p.Latency = l
	})
	p.Child = childPolicy(o)
	return p
}

func parseVolume(o *serviceconfig.Object, enforcement, hosts, volume *int) {
	if o.Int("enforcementPercentage", enforcement, 0, 100) && *enforcement == 0 {
		*enforcement = -1
	}
	if o.Int("minimumHosts", hosts, 0, math.MaxInt32) {
		*hosts = max(*hosts, 1)
	}
	if o.Int("requestVolume", volume, 0, math.MaxInt32) {
		*volume = max(*volume, 1)
	}
}

// childPolicy reads the child, which every policy around another requires.
func childPolicy(o *serviceconfig.Object) Policy {
	o.Require("childPolicy")
	p := o.Policy("childPolicy")
	if p == nil {
		return nil
	}
	child, ok := p.(Policy)
	if !ok {
		o.Errorf("childPolicy", "policy %q (%T) is not one a client can use", p.Name(), p)
	}
	return child
}

// duration reads one that is not negative.
func duration(o *serviceconfig.Object, key string, v *time.Duration) bool {
	if !o.Duration(key, v) {
		return false
	}
	if *v < 0 {
		o.Errorf(key, "%v is negative", *v)
	}
	return true
}

// positive reads one that is above 0.
func positive(o *serviceconfig.Object, key string, v *time.Duration) {
	if o.Duration(key, v) && *v <= 0 {
		o.Errorf(key, "%v is not above 0s", *v)
	}
}

// validHeader tells what is wrong with a header's name; "" if nothing is. RFC 9113 §8.2.1 for the
// letters; gRFC A76: "If the request_hash_header refers to a binary header (suffixed with -bin),
// the configuration is also rejected".
func validHeader(name string) string {
	if name == "" {
		return "is no header name"
	}
	for _, c := range []byte(name) {
		lower := 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.'
		if !lower {
			return "is not a header name (lower-case letters, digits, -, _ and .)"
		}
	}
	if len(name) > 4 && name[len(name)-4:] == "-bin" {
		return "is a binary header, which cannot be hashed"
	}
	return ""
}
