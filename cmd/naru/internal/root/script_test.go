package root_test

import (
	"testing"

	"github.com/naru-rpc/naru/cmd/naru/internal/clitest"
)

func TestScripts(t *testing.T) { clitest.Run(t, "testdata/script/*.txtar") }
