package web

import (
	"testing"

	"github.com/naru-rpc/naru/narutest"
)

func TestMain(m *testing.M) { narutest.VerifyTestMain(m) }
