package balancer

import (
	"maps"
	"slices"

	"github.com/naru-rpc/naru/serviceconfig"
)

// Parser reads the configuration of a policy in loadBalancingConfig. Mistakes are reported to o;
// what is returned is not used then.
type Parser func(o *serviceconfig.Object) Policy

// Registry maps the names of policies to their parsers. An immutable value; the zero Registry is
// empty. It is a serviceconfig.Policies.
type Registry struct {
	parsers map[string]Parser // never changed once set
}

var _ serviceconfig.Policies = Registry{}

// With returns a copy that also holds, or has replaced, a policy.
func (r Registry) With(name string, p Parser) Registry {
	m := make(map[string]Parser, len(r.parsers)+1)
	maps.Copy(m, r.parsers)
	m[name] = p
	return Registry{m}
}

// Join returns a copy that also holds, or has replaced, the policies of other.
func (r Registry) Join(other Registry) Registry {
	m := make(map[string]Parser, len(r.parsers)+len(other.parsers))
	maps.Copy(m, r.parsers)
	maps.Copy(m, other.parsers)
	return Registry{m}
}

// ParsePolicy implements serviceconfig.Policies.
func (r Registry) ParsePolicy(name string, o *serviceconfig.Object) (p serviceconfig.Policy, known bool) {
	parse := r.parsers[name]
	if parse == nil {
		return nil, false
	}
	return parse(o), true
}

// PolicyNames implements serviceconfig.Policies.
func (r Registry) PolicyNames() []string { return slices.Sorted(maps.Keys(r.parsers)) }

// Builtin returns the policies of this package. Those that gRPC calls experimental have a name
// without the suffix too.
func Builtin() Registry {
	m := map[string]Parser{
		PickFirst{}.Name():          parsePickFirst,
		RoundRobin{}.Name():         parseRoundRobin,
		WeightedRoundRobin{}.Name(): parseWeighted,
		LeastRequest{}.Name():       parseLeastRequest,
		RingHash{}.Name():           parseRingHash,
		RandomSubsetting{}.Name():   parseSubsetting,
		OutlierDetection{}.Name():   parseOutlier,
	}
	m["least_request"] = parseLeastRequest
	m["ring_hash"] = parseRingHash
	m["random_subsetting"] = parseSubsetting
	m["outlier_detection"] = parseOutlier
	return Registry{m}
}
