package serviceconfig_test

import (
	"fmt"
	"log"
	"time"

	"github.com/naru-rpc/naru/balancer"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/serviceconfig"
)

// Fields have the names of the keys.
func ExampleParse() {
	c, err := serviceconfig.Parse(`{
		"loadBalancingConfig": [{"round_robin": {}}],
		"methodConfig": [{
			"name": [{"service": "shop.Cart"}],
			"timeout": "1.5s",
			"retryPolicy": {
				"maxAttempts": 3, "initialBackoff": "0.1s", "maxBackoff": "1s", "backoffMultiplier": 2,
				"retryableStatusCodes": ["UNAVAILABLE"]
			}
		}]
	}`, balancer.Builtin())
	if err != nil {
		log.Fatal(err)
	}
	m := c.MethodConfig[0]
	fmt.Println(c.LoadBalancingConfig.Name(), m.Name[0].Service, m.Timeout, m.RetryPolicy.RetryableStatusCodes)
	_, err = serviceconfig.Parse(`{"methodConfig": [{"name": [{}], "retrypolicy": {}}]}`, nil)
	fmt.Println(err)
	// Output:
	// round_robin shop.Cart 1.5s [UNAVAILABLE]
	// service config: methodConfig[0].retrypolicy: unknown key; did you mean "retryPolicy"?
}

// The same as Go values. Validate names what is wrong by its place in the JSON.
func ExampleConfig_Validate() {
	c := &serviceconfig.Config{
		LoadBalancingConfig: balancer.RoundRobin{},
		MethodConfig: []serviceconfig.MethodConfig{{
			Name:    []serviceconfig.Name{{Service: "shop.Cart"}},
			Timeout: 1500 * time.Millisecond,
			RetryPolicy: &serviceconfig.RetryPolicy{
				MaxAttempts: 1, InitialBackoff: 100 * time.Millisecond, MaxBackoff: time.Second,
				BackoffMultiplier: 2, RetryableStatusCodes: []codes.Code{codes.Unavailable},
			},
		}},
	}
	fmt.Println(c.Validate())
	// Output: service config: methodConfig[0].retryPolicy.maxAttempts: 1 is less than 2
}
