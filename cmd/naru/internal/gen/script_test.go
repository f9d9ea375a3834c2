package gen_test

import (
	"testing"

	"github.com/naru-rpc/naru/cmd/naru/internal/clitest"
)

// TestScripts runs command lines as people type them.
func TestScripts(t *testing.T) { clitest.Run(t, "testdata/script/*.txtar") }
