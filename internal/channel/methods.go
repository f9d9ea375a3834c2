package channel

import (
	"github.com/naru-rpc/naru/internal/call"
	"github.com/naru-rpc/naru/serviceconfig"
)

// methodTable is a service config in the form calls read: immutable, behind one atomic pointer.
type methodTable struct {
	config         *serviceconfig.Config
	throttle       *call.Throttle
	maxConnections int // per address; 0: the client's
}

func newMethodTable(sc *serviceconfig.Config) *methodTable {
	return &methodTable{config: sc}
}

// find returns what the config says of a method, nil if nothing.
func (t *methodTable) find(string) *call.MethodConfig { return nil }
