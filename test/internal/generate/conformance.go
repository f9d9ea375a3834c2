package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	suiteModule = "connectrpc.com/conformance"
	suiteFolder = "connectrpc/conformance/v1"
	here        = "github.com/naru-rpc/naru/test"
)

// The suite's own Go package for these files is internal to it, hence the copy under a path of
// ours.
var suiteFiles = []string{"config.proto", "service.proto", "client_compat.proto", "server_compat.proto"}

// generateConformance runs "naru gen" on the .proto files that the conformance suite's module
// ships.
func generateConformance() error {
	dir, err := moduleDir(suiteModule)
	if err != nil {
		return err
	}
	root := filepath.Join(dir, "proto")
	args := []string{
		"run", "../cmd/naru", "gen", "--quiet", "-I", root,
		"--out", ".", "--module", here, "--paths", "import",
	}
	for _, f := range suiteFiles {
		name := suiteFolder + "/" + f
		args = append(args, "-M", name+"="+here+"/internal/conformancepb", filepath.Join(root, filepath.FromSlash(name)))
	}
	cmd := exec.Command("go", args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}

// moduleDir returns where a module pinned in test/tools lies, after downloading it if need be.
func moduleDir(module string) (string, error) {
	cmd := exec.Command("go", "mod", "download", "-json", module)
	cmd.Dir = "tools"
	cmd.Env = append(os.Environ(), "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go mod download %s: %w\n%s", module, err, out)
	}
	cmd = exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module)
	cmd.Dir = "tools"
	cmd.Env = append(os.Environ(), "GOWORK=off")
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go list -m %s: %w", module, err)
	}
	return strings.TrimSpace(string(out)), nil
}
