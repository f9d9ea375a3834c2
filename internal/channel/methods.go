package channel

import (
	"strings"

	"github.com/naru-rpc/naru/internal/call/client"
	"github.com/naru-rpc/naru/serviceconfig"
)

// methodTable is a service config in the form calls read: immutable, behind one atomic pointer. A
// method is found with one map look-up if it is named itself, with two if its service is.
type methodTable struct {
	config         *serviceconfig.Config
	exact          map[string]*client.MethodConfig // "/package.Service/method"
	services       map[string]*client.MethodConfig // "/package.Service/"
	all            *client.MethodConfig            // of methods not named; nil: none
	throttle       *client.Throttle
	maxConnections int // per address; 0: the client's
}

// newMethodTable compiles a valid config. before is the table in force, nil if none: its throttle
// goes on if the budget is the same (gRFC A6: token_count outlives an update).
func newMethodTable(sc *serviceconfig.Config, maxAttempts int, before *methodTable) *methodTable {
	t := &methodTable{
		config:   sc,
		exact:    map[string]*client.MethodConfig{},
		services: map[string]*client.MethodConfig{},
	}
	if s := sc.ConnectionScaling; s != nil {
		t.maxConnections = s.MaxConnectionsPerSubchannel
	}
	for i := range sc.MethodConfig {
		m := callConfig(&sc.MethodConfig[i], maxAttempts)
		for _, n := range sc.MethodConfig[i].Name {
			switch {
			case n.Service == "":
				t.all = m
			case n.Method == "":
				t.services["/"+n.Service+"/"] = m
			default:
				t.exact["/"+n.Service+"/"+n.Method] = m
			}
		}
	}
	if r := sc.RetryThrottling; r != nil {
		if before != nil && before.config.RetryThrottling != nil && *before.config.RetryThrottling == *r {
			t.throttle = before.throttle
		} else {
			t.throttle = client.NewThrottle(r.MaxTokens, r.TokenRatio)
		}
	}
	return t
}

// find returns what the config says of a method, nil if nothing: its own entry, else its service's,
// else the one of all methods (service_config.proto).
func (t *methodTable) find(path string) *client.MethodConfig {
	if m := t.exact[path]; m != nil {
		return m
	}
	if len(t.services) > 0 {
		if m := t.services[path[:strings.LastIndexByte(path, '/')+1]]; m != nil {
			return m
		}
	}
	return t.all
}

func callConfig(m *serviceconfig.MethodConfig, maxAttempts int) *client.MethodConfig {
	c := &client.MethodConfig{
		Timeout:                 m.Timeout,
		WaitForReady:            m.WaitForReady,
		MaxRequestMessageBytes:  m.MaxRequestMessageBytes,
		MaxResponseMessageBytes: m.MaxResponseMessageBytes,
	}
	if r := m.RetryPolicy; r != nil {
		c.Retry = &client.RetryPolicy{
			// gRFC A6, "Limits on Retries and Hedges": more than the client's maximum is taken for
			// it.
			MaxAttempts:           min(r.MaxAttempts, maxAttempts),
			InitialBackoff:        r.InitialBackoff,
			MaxBackoff:            r.MaxBackoff,
			BackoffMultiplier:     r.BackoffMultiplier,
			Retryable:             client.Codes(r.RetryableStatusCodes...),
			PerAttemptRecvTimeout: r.PerAttemptRecvTimeout,
		}
	}
	if h := m.HedgingPolicy; h != nil {
		c.Hedging = &client.HedgingPolicy{
			MaxAttempts: min(h.MaxAttempts, maxAttempts),
			Delay:       h.HedgingDelay,
			NonFatal:    client.Codes(h.NonFatalStatusCodes...),
		}
	}
	return c
}
