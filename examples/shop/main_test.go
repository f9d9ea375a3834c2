package shop_test

import (
	"testing"
	"time"

	"github.com/naru-rpc/naru/narutest"
)

// testStart is a time that is past.
var testStart = time.Now()

func TestMain(m *testing.M) { narutest.VerifyTestMain(m) }
