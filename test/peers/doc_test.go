// Package peers holds naru against other gRPC stacks in one process: the same test body with naru
// as client, as server, as both and as neither.
package peers

import (
	"testing"

	"github.com/naru-rpc/naru/narutest"
)

func TestMain(m *testing.M) { narutest.VerifyTestMain(m) }
