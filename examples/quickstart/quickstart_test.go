// Package quickstart tests the programs of the guide's first page as a newcomer meets them: in a
// module of their own, with code generated there, called by the command naru.
package quickstart

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/examples/quickstart/proto/hello"
)

func TestInItsOwnModule(t *testing.T) {
	repo, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	command := filepath.Join(t.TempDir(), "naru")
	build := exec.Command("go", "build", "-o", command, ".") // in the workspace: its modules have no replace
	build.Dir = filepath.Join(repo, "cmd", "naru")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", build, err, out)
	}
	dir := newModule(t, repo)
	if got := run(t, dir, command, "gen"); got != generated {
		t.Errorf("naru gen printed %q, want %q", got, generated)
	}
	run(t, dir, "go", "mod", "tidy")
	bin := t.TempDir() + string(filepath.Separator)
	run(t, dir, "go", "build", "-o", bin, "./server", "./client")

	addr, stop := serve(t, bin+"server")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{bin + "client", "-addr", addr}, "Hello, world!\n"},
		{[]string{command, "list", addr}, listed},
		{[]string{command, "describe", addr, "hello.Greeter"}, described},
		{[]string{command, "call", addr, "SayHello", "name=Ana"}, called},
	} {
		if got := run(t, dir, c.args[0], c.args[1:]...); got != c.want {
			t.Errorf("%s printed\n%s, want\n%s", strings.Join(c.args, " "), got, c.want)
		}
	}
	stop()
}

// newModule copies the sources to a module of their own, without the generated code.
func newModule(t *testing.T, repo string) string {
	dir := t.TempDir()
	for _, file := range []string{"proto/hello/hello.proto", "server/main.go", "client/main.go"} {
		text, err := os.ReadFile(filepath.FromSlash(file))
		if err != nil {
			t.Fatal(err)
		}
		text = bytes.ReplaceAll(text, []byte("github.com/naru-rpc/naru/examples/quickstart"), []byte("example.com/quickstart"))
		write(t, filepath.Join(dir, filepath.FromSlash(file)), text)
	}
	sums, err := os.ReadFile(filepath.Join(repo, "examples", "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "go.sum"), sums)
	run(t, dir, "go", "mod", "init", "example.com/quickstart")
	run(t, dir, "go", "mod", "edit", "-require=github.com/naru-rpc/naru@v0.0.0", "-replace=github.com/naru-rpc/naru="+repo)
	return dir
}

func write(t *testing.T, file string, text []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// run runs a program outside of the repository's workspace, and returns what it printed.
func run(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// serve starts the server. stop tells it to end as an orchestrator does, and waits for that.
func serve(t *testing.T, program string) (addr string, stop func()) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr = lis.Addr().String()
	lis.Close()
	cmd := exec.Command(program, "-addr", addr)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	client, err := naru.NewClient(addr, naru.WithPlaintext())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	_, err = hello.NewGreeterClient(client).SayHello(t.Context(), &hello.HelloRequest{},
		naru.WaitForReady(true), naru.WithTimeout(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	return addr, func() {
		if runtime.GOOS == "windows" {
			return // a process cannot be interrupted there
		}
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("the interrupted server ended with %v", err)
		}
	}
}

const generated = `wrote proto/hello/hello.pb.go
wrote proto/hello/hello_naru.pb.go
`

const listed = `grpc.reflection.v1.ServerReflection
grpc.reflection.v1alpha.ServerReflection
hello.Greeter
`

const described = `// hello.Greeter, declared in hello/hello.proto
service Greeter {
  rpc SayHello(hello.HelloRequest) returns (hello.HelloReply);
}
`

const called = `{
  "message": "Hello, Ana!"
}
`
