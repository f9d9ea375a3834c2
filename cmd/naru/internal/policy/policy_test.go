package policy_test

import (
	"testing"

	"github.com/naru-rpc/naru/cmd/naru/internal/clitest"
	"github.com/naru-rpc/naru/narutest"
)

func TestMain(m *testing.M) { narutest.VerifyTestMain(m) }

func TestScripts(t *testing.T) { clitest.Run(t, "testdata/script/*.txtar") }
