package nethttp

import (
	"testing"

	"github.com/naru-rpc/naru/internal/leak"
)

func TestMain(m *testing.M) { leak.VerifyTestMain(m) }
