package serviceconfig

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/naru-rpc/naru/codes"
)

// Validate names every value that gRPC's documents rule out, with its place in the JSON form. nil
// is valid.
func (c *Config) Validate() error {
	if c == nil {
		return nil
	}
	v := &validator{names: map[Name]string{}}
	if p, ok := c.LoadBalancingConfig.(interface{ Validate() error }); ok {
		if err := p.Validate(); err != nil {
			v.bad("loadBalancingConfig", "%v", err)
		}
	}
	for i := range c.MethodConfig {
		v.method(fmt.Sprintf("methodConfig[%d]", i), &c.MethodConfig[i])
	}
	if t := c.RetryThrottling; t != nil {
		v.throttling("retryThrottling", t)
	}
	if s := c.ConnectionScaling; s != nil && s.MaxConnectionsPerSubchannel < 0 {
		v.bad("connectionScaling.maxConnectionsPerSubchannel", "%d is negative", s.MaxConnectionsPerSubchannel)
	}
	return errors.Join(v.errs...)
}

type validator struct {
	errs  []error
	names map[Name]string // where each was named
}

func (v *validator) bad(path, format string, args ...any) {
	if len(v.errs) < maxErrors {
		v.errs = append(v.errs, newError(path, fmt.Sprintf(format, args...)))
	}
}

func (v *validator) method(path string, m *MethodConfig) {
	if len(m.Name) == 0 {
		v.bad(path+".name", "it is missing, so that the entry is for no method; [{}] is for all")
	}
	for i, n := range m.Name {
		v.name(fmt.Sprintf("%s.name[%d]", path, i), n)
	}
	v.notNegative(path+".timeout", m.Timeout)
	v.size(path+".maxRequestMessageBytes", m.MaxRequestMessageBytes)
	v.size(path+".maxResponseMessageBytes", m.MaxResponseMessageBytes)
	if m.RetryPolicy != nil && m.HedgingPolicy != nil {
		// gRFC A6: "Only one of retryPolicy or hedgingPolicy may be set."
		v.bad(path, "retryPolicy and hedgingPolicy exclude each other")
	}
	if m.RetryPolicy != nil {
		v.retry(path+".retryPolicy", m.RetryPolicy)
	}
	if m.HedgingPolicy != nil {
		v.hedging(path+".hedgingPolicy", m.HedgingPolicy)
	}
}

func (v *validator) name(path string, n Name) {
	if n.Service == "" && n.Method != "" {
		v.bad(path+".service", "it is missing, though a method is named")
	}
	if strings.Contains(n.Service, "/") {
		v.bad(path+".service", "%q has a slash; write the full name of the service, as package.Service", n.Service)
	}
	if strings.Contains(n.Method, "/") {
		v.bad(path+".method", "%q has a slash; write the name of the method alone", n.Method)
	}
	if first, dup := v.names[n]; dup {
		// service_config.proto: each name entry must be unique across the entire ServiceConfig.
		v.bad(path, "%s was named before, in %s", n, first)
		return
	}
	v.names[n] = path
}

// String returns the name as people write it: "package.Service/method".
func (n Name) String() string {
	switch {
	case n.Service == "" && n.Method == "":
		return "the default of all methods"
	case n.Method == "":
		return n.Service
	}
	return n.Service + "/" + n.Method
}

func (v *validator) retry(path string, r *RetryPolicy) {
	v.attempts(path, r.MaxAttempts)
	v.positive(path+".initialBackoff", r.InitialBackoff)
	v.positive(path+".maxBackoff", r.MaxBackoff)
	v.positiveNumber(path+".backoffMultiplier", r.BackoffMultiplier)
	if len(r.RetryableStatusCodes) == 0 {
		v.bad(path+".retryableStatusCodes", "it is missing or empty")
	}
	v.codes(path+".retryableStatusCodes", r.RetryableStatusCodes)
	v.notNegative(path+".perAttemptRecvTimeout", r.PerAttemptRecvTimeout)
}

func (v *validator) hedging(path string, h *HedgingPolicy) {
	v.attempts(path, h.MaxAttempts)
	v.notNegative(path+".hedgingDelay", h.HedgingDelay)
	v.codes(path+".nonFatalStatusCodes", h.NonFatalStatusCodes)
}

func (v *validator) attempts(path string, n int) {
	// gRFC A6, "Validation of retryPolicy" and "of hedgingPolicy", item 1.
	if n < 2 {
		v.bad(path+".maxAttempts", "%d is less than 2", n)
	}
}

func (v *validator) codes(path string, cs []codes.Code) {
	for i, c := range cs {
		if !c.Valid() {
			v.bad(fmt.Sprintf("%s[%d]", path, i), "%d is not a status code", uint32(c))
		} else if c == codes.OK {
			v.bad(fmt.Sprintf("%s[%d]", path, i), "OK is not a failure")
		}
	}
}

func (v *validator) throttling(path string, t *RetryThrottling) {
	// gRFC A6, "Validation of retryThrottling".
	if !(t.MaxTokens > 0 && t.MaxTokens <= 1000) {
		v.bad(path+".maxTokens", "%v is not above 0 and up to 1000", t.MaxTokens)
	}
	v.positiveNumber(path+".tokenRatio", t.TokenRatio)
}

func (v *validator) positive(path string, d time.Duration) {
	if d <= 0 {
		v.bad(path, "%v is not above 0", d)
	}
}

func (v *validator) notNegative(path string, d time.Duration) {
	if d < 0 {
		v.bad(path, "%v is negative", d)
	}
}

func (v *validator) positiveNumber(path string, f float64) {
	if !(f > 0) || math.IsInf(f, 0) {
		v.bad(path, "%v is not above 0", f)
	}
}

func (v *validator) size(path string, n int) {
	if n < 0 {
		v.bad(path, "%d is negative", n)
	}
}
