package balancer

import (
	"fmt"

	"github.com/naru-rpc/naru/serviceconfig"
)

// setPolicy makes a balancer, or changes the configuration of the one there is.
func (tr *tracer) setPolicy(name, config string) {
	if name == "pick_first_child" {
		tr.policy = PickFirst{petiole: true}
	} else {
		if config == "" {
			config = "{}"
		}
		sc, err := serviceconfig.Parse(fmt.Sprintf(`{"loadBalancingConfig":[{%q:%s}]}`, name, config), Builtin())
		tr.check("policy "+name+" "+config, err)
		tr.policy = sc.LoadBalancingConfig.(Policy)
	}
	if tr.bal == nil {
		tr.bal = tr.policy.New(tr.h)
	}
}
