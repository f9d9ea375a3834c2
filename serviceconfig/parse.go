package serviceconfig

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// Policies are the balancing policies a parser knows. balancer.Registry is one.
type Policies interface {
	// ParsePolicy reads the configuration of the policy with this name. known is false if there is
	// no such policy. Mistakes are reported to o; the policy returned is not used then.
	ParsePolicy(name string, o *Object) (p Policy, known bool)
	// PolicyNames returns the names, for messages.
	PolicyNames() []string
}

// Parse reads the JSON form and checks it. Unknown and misplaced keys, wrong types, and values out
// of range are errors; all that are found come joined, each an [*Error] with its path. Comments (//
// and /* */) are allowed, and keys may begin with a capital letter: published examples have both.
func Parse(text string, policies Policies) (*Config, error) {
	return parse(text, &parser{policies: policies})
}

// ParseLenient is Parse for configs that come from elsewhere and may be written for newer clients:
// unknown keys are ignored (gRFC A21), everything else is as strict.
func ParseLenient(text string, policies Policies) (*Config, error) {
	return parse(text, &parser{policies: policies, lenient: true})
}

func parse(text string, p *parser) (*Config, error) {
	root, err := readTree(text)
	if err != nil {
		return nil, err
	}
	o, ok := p.object("", root)
	if !ok {
		return nil, errors.Join(p.errs...)
	}
	c := &Config{}
	p.config(o, c)
	o.end()
	if len(p.errs) == 0 {
		if err := c.Validate(); err != nil {
			return nil, err
		}
	}
	if len(p.errs) > 0 {
		return nil, errors.Join(p.errs...)
	}
	return c, nil
}

func (p *parser) config(o *Object, c *Config) {
	c.LoadBalancingConfig = o.Policy("loadBalancingConfig")
	p.oldPolicy(o, c)
	o.Objects("methodConfig", func(_ int, o *Object) {
		var m MethodConfig
		p.method(o, &m)
		if len(m.Name) > 0 || !p.lenient {
			c.MethodConfig = append(c.MethodConfig, m)
		}
	})
	o.Object("retryThrottling", func(o *Object) {
		c.RetryThrottling = &RetryThrottling{}
		o.Require("maxTokens", "tokenRatio")
		o.Float("maxTokens", &c.RetryThrottling.MaxTokens)
		o.Float("tokenRatio", &c.RetryThrottling.TokenRatio)
	})
	o.Object("healthCheckConfig", func(o *Object) {
		var name string
		// gRFC A17: health checking is on if the field is there, also if it is "".
		if o.String("serviceName", &name) {
			c.HealthCheckConfig = &HealthCheckConfig{ServiceName: name}
		}
	})
	o.Object("connectionScaling", func(o *Object) {
		c.ConnectionScaling = &ConnectionScaling{}
		o.Int("maxConnectionsPerSubchannel", &c.ConnectionScaling.MaxConnectionsPerSubchannel, 0, math.MaxInt32)
	})
}

// oldPolicy reads the field that loadBalancingConfig replaced (gRFC A24), which counts if that one
// is absent.
func (p *parser) oldPolicy(o *Object, c *Config) {
	var name string
	if !o.String("loadBalancingPolicy", &name) || name == "" || c.LoadBalancingConfig != nil {
		return
	}
	empty := &Object{path: o.at("loadBalancingPolicy"), m: &members{}, p: p}
	if p.policies == nil {
		return
	}
	policy, known := p.policies.ParsePolicy(strings.ToLower(name), empty)
	if !known {
		o.Errorf("loadBalancingPolicy", "%s", p.unknownPolicy(name))
		return
	}
	c.LoadBalancingConfig = policy
}

func (p *parser) unknownPolicy(name string) string {
	names := p.policies.PolicyNames()
	if near := nearest(name, names); near != "" {
		return fmt.Sprintf("there is no policy %q; did you mean %q?", clip(name), near)
	}
	return fmt.Sprintf("there is no policy %q (known: %s)", clip(name), strings.Join(names, ", "))
}

// Policy reads a list of policies and returns the first that is known: the form of
// loadBalancingConfig and of the childPolicy of policies around others (gRFC A24). nil if the key
// is absent or there was an error. Policies that follow the chosen one are looked at for their
// shape only.
func (o *Object) Policy(key string) Policy {
	list, ok := o.list(key)
	if !ok || o.p.policies == nil {
		return nil
	}
	var chosen Policy
	var names []string
	for i, n := range list {
		path := fmt.Sprintf("%s[%d]", o.at(key), i)
		m, ok := n.(*members)
		if !ok || len(m.keys) != 1 {
			o.p.bad(path, "%s where an object with one key, the policy's name, should be", shape(n))
			return nil
		}
		name := m.keys[0]
		names = append(names, name)
		if chosen != nil {
			continue
		}
		sub, ok := o.p.object(join(path, name), m.values[name])
		if !ok {
			return nil
		}
		if policy, known := o.p.policies.ParsePolicy(name, sub); known {
			sub.end()
			chosen = policy
		}
	}
	if chosen == nil {
		o.noPolicy(key, names)
	}
	return chosen
}

func shape(n node) string {
	if m, ok := n.(*members); ok {
		return fmt.Sprintf("an object with %d keys", len(m.keys))
	}
	return kind(n)
}

func (o *Object) noPolicy(key string, names []string) {
	switch len(names) {
	case 0:
		o.Errorf(key, "the list is empty")
	case 1:
		o.Errorf(key, "%s", o.p.unknownPolicy(names[0]))
	default:
		o.Errorf(key, "none of the policies is known: %s (known: %s)", clip(strings.Join(names, ", ")),
			strings.Join(o.p.policies.PolicyNames(), ", "))
	}
}

func (p *parser) method(o *Object, m *MethodConfig) {
	o.Objects("name", func(_ int, o *Object) {
		var n Name
		o.String("service", &n.Service)
		o.String("method", &n.Method)
		m.Name = append(m.Name, n)
	})
	var wait bool
	if o.Bool("waitForReady", &wait) {
		m.WaitForReady = &wait
	}
	if o.Duration("timeout", &m.Timeout) && m.Timeout == 0 {
		o.Errorf("timeout", "no call would end in 0s; leave it out for none")
	}
	o.Int("maxRequestMessageBytes", &m.MaxRequestMessageBytes, 1, math.MaxInt32)
	o.Int("maxResponseMessageBytes", &m.MaxResponseMessageBytes, 1, math.MaxInt32)
	o.Object("retryPolicy", func(o *Object) {
		m.RetryPolicy = &RetryPolicy{}
		p.retry(o, m.RetryPolicy)
	})
	o.Object("hedgingPolicy", func(o *Object) {
		m.HedgingPolicy = &HedgingPolicy{}
		o.Require("maxAttempts")
		o.Int("maxAttempts", &m.HedgingPolicy.MaxAttempts, 2, math.MaxInt32)
		o.Duration("hedgingDelay", &m.HedgingPolicy.HedgingDelay)
		o.Codes("nonFatalStatusCodes", &m.HedgingPolicy.NonFatalStatusCodes)
	})
}

// retry: gRFC A6, "Validation of retryPolicy": all but the last are required.
func (p *parser) retry(o *Object, r *RetryPolicy) {
	o.Require("maxAttempts", "initialBackoff", "maxBackoff", "backoffMultiplier", "retryableStatusCodes")
	o.Int("maxAttempts", &r.MaxAttempts, 2, math.MaxInt32)
	o.Duration("initialBackoff", &r.InitialBackoff)
	o.Duration("maxBackoff", &r.MaxBackoff)
	o.Float("backoffMultiplier", &r.BackoffMultiplier)
	o.Codes("retryableStatusCodes", &r.RetryableStatusCodes)
	o.Duration("perAttemptRecvTimeout", &r.PerAttemptRecvTimeout)
}
