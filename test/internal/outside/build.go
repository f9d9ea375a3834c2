package outside

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A Tree is a checkout of this repository and the folder its programs are built into.
type Tree struct {
	Root string    // folder of go.work
	Bin  string    // where built programs go
	Log  io.Writer // progress, one line per step
	// Verbose shows what the programs under test write, failed or not.
	Verbose bool
}

// FindTree returns the checkout that the current folder belongs to.
func FindTree(log io.Writer) (*Tree, error) {
	out, err := exec.Command("go", "env", "GOWORK").Output()
	if err != nil {
		return nil, fmt.Errorf("go env GOWORK: %w", err)
	}
	work := strings.TrimSpace(string(out))
	if work == "" || work == "off" {
		return nil, fmt.Errorf("no go.work above the current folder: run this inside a checkout, with GOWORK unset")
	}
	root := filepath.Dir(work)
	return &Tree{Root: root, Bin: filepath.Join(root, "bin"), Log: log}, nil
}

// A program is something to build: a package of this repository, or one of another project pinned
// in test/tools.
type program struct {
	name    string
	pkg     string
	foreign bool
}

// foreign is built in test/tools, outside the workspace; the others in test.
var programs = []program{
	{"connectconformance", "connectrpc.com/conformance/cmd/connectconformance", true},
	{"h2spec", "github.com/summerwind/h2spec/cmd/h2spec", true},
	{"grpcgo-interop-client", "google.golang.org/grpc/interop/client", true},
	{"grpcgo-interop-server", "google.golang.org/grpc/interop/server", true},
	{"grpcurl", "github.com/fullstorydev/grpcurl/cmd/grpcurl", true},
	{"conformanceserver", "./cmd/conformanceserver", false},
	{"conformanceclient", "./cmd/conformanceclient", false},
	{"h2server", "./cmd/h2server", false},
	{"interopserver", "./cmd/interopserver", false},
	{"interopclient", "./cmd/interopclient", false},
	{"shopserver", "./cmd/shopserver", false},
}

// build compiles the named programs into t.Bin. Go's own cache makes a repetition cheap.
func (t *Tree) build(ctx context.Context, names ...string) error {
	for _, name := range names {
		p, err := findProgram(name)
		if err != nil {
			return err
		}
		fmt.Fprintf(t.Log, "building %s\n", p.name)
		cmd := exec.CommandContext(ctx, "go", "build", "-o", t.path(p.name), p.pkg)
		cmd.Dir = filepath.Join(t.Root, "test")
		cmd.Env = os.Environ()
		if p.foreign {
			cmd.Dir = filepath.Join(t.Root, "test", "tools")
			cmd.Env = append(cmd.Env, "GOWORK=off")
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("building %s: %w\n%s", p.pkg, err, out)
		}
	}
	return nil
}

func findProgram(name string) (program, error) {
	for _, p := range programs {
		if p.name == name {
			return p, nil
		}
	}
	return program{}, fmt.Errorf("BUG: no program %q", name)
}

func (t *Tree) path(name string) string { return filepath.Join(t.Bin, name) }

// run runs a built program to its end and returns what it wrote, both outputs together.
func (t *Tree) run(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, t.path(name), args...)
	cmd.Dir = t.Root
	cmd.WaitDelay = waitDelay
	out, err := cmd.CombinedOutput()
	if t.Verbose {
		fmt.Fprintf(t.Log, "$ %s %s\n%s", name, strings.Join(args, " "), out)
	}
	return string(out), err
}
