package resolver

import (
	"fmt"
	"maps"
	"slices"
)

// Registry maps schemes to builders. An immutable value; the zero Registry is empty.
type Registry struct {
	builders map[string]Builder // never changed once set
}

// NewRegistry returns a registry of the given builders. A later builder replaces an earlier one of
// the same scheme.
func NewRegistry(builders ...Builder) Registry {
	return Registry{}.With(builders...)
}

// With returns a copy that also holds, or has replaced, the given builders.
func (r Registry) With(builders ...Builder) Registry {
	m := make(map[string]Builder, len(r.builders)+len(builders))
	maps.Copy(m, r.builders)
	for _, b := range builders {
		m[b.Scheme()] = b
	}
	return Registry{m}
}

// Get returns the builder for a scheme, nil if there is none.
func (r Registry) Get(scheme string) Builder { return r.builders[scheme] }

// Schemes returns the schemes known, sorted.
func (r Registry) Schemes() []string { return slices.Sorted(maps.Keys(r.builders)) }

// Parse parses a target with the schemes of the registry. A target without a known scheme
// ("localhost:50051", "10.0.0.1") is one of the default scheme, as naming.md of gRPC has it: first
// the text is taken as it is, then with defaultScheme put before it.
func (r Registry) Parse(target, defaultScheme string) (Target, Builder, error) {
	if target == "" {
		return Target{}, nil, fmt.Errorf("parse target: it is empty")
	}
	t, err := ParseTarget(target)
	if b := r.builders[t.Scheme]; b != nil {
		return t, b, err
	}
	b := r.builders[defaultScheme]
	if b == nil {
		return Target{}, nil, fmt.Errorf("parse target %q: no resolver for scheme %q (known: %v)",
			clip(target), clip(t.Scheme), r.Schemes())
	}
	// "custom://a/b" with an unknown scheme must not become the host name "custom://a/b".
	if err == nil && t.hierarchical {
		return Target{}, nil, fmt.Errorf("parse target %q: no resolver for scheme %q (known: %v)",
			clip(target), clip(t.Scheme), r.Schemes())
	}
	t, err = ParseTarget(defaultScheme + ":///" + target)
	if err != nil {
		return Target{}, nil, err
	}
	return t, b, nil
}
