package gen_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
	"github.com/naru-rpc/naru/cmd/naru/internal/clitest"
	"github.com/naru-rpc/naru/cmd/naru/internal/root"
)

// TestScripts runs command lines as people type them.
func TestScripts(t *testing.T) { clitest.Run(t, "testdata/script/*.txtar") }

// TestInterrupted: an interrupt ends the verb with nothing written.
func TestInterrupted(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module example.com/m\n", "a.proto": "syntax = \"proto3\";\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr strings.Builder
	env := &cli.Env{Stdout: &stdout, Stderr: &stderr, Dir: dir, Getenv: os.Getenv}
	if code := root.Main(ctx, env, []string{"gen"}); code != cli.ExitInterrupted {
		t.Errorf("exit code %d, want %d", code, cli.ExitInterrupted)
	}
	if stdout.String() != "" || stderr.String() != "error: interrupted\n" {
		t.Errorf("stdout %q, stderr %q; want only that it was interrupted", stdout.String(), stderr.String())
	}
	if _, err := os.Stat(filepath.Join(dir, "a.pb.go")); err == nil {
		t.Error("a file was written after the interrupt")
	}
}
