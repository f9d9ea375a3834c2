package balancer_test

import (
	"fmt"
	"log"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/balancer"
	"github.com/naru-rpc/naru/serviceconfig"
)

// Policies around others have a child.
func ExampleOutlierDetection() {
	client, err := naru.NewClient("dns:///shop.example.com:443", naru.WithBalancer(balancer.OutlierDetection{
		FailurePercentage: &balancer.FailurePercentageEjection{},
		Child:             balancer.LeastRequest{},
	}))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	fmt.Println(client.State())
	// Output: IDLE
}

// nearest is a policy of one's own: round_robin under another name.
type nearest struct{ balancer.RoundRobin }

func (nearest) Name() string { return "nearest" }

// With makes a policy known to service configs in JSON.
func ExampleRegistry_With() {
	r := balancer.Builtin().With("nearest", func(*serviceconfig.Object) balancer.Policy { return nearest{} })
	c, err := serviceconfig.Parse(`{"loadBalancingConfig": [{"nearest": {}}]}`, r)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.LoadBalancingConfig.Name())
	// Output: nearest
}
