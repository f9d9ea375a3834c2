// Package helloworld tests the two programs below it as they are: built, started and interrupted.
package helloworld

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/examples/greeter"
)

func TestPrograms(t *testing.T) {
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", dir+string(filepath.Separator), "./server", "./client")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	addr := unusedAddr(t)
	server := exec.Command(filepath.Join(dir, "server"), "-addr", addr)
	var serverSays bytes.Buffer
	server.Stdout, server.Stderr = &serverSays, &serverSays
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer server.Process.Kill()
	waitUntilServing(t, addr)

	got, err := exec.Command(filepath.Join(dir, "client"), "-addr", addr).CombinedOutput()
	if err != nil || string(got) != "Hello, world!\n" {
		t.Errorf("the client says %q, %v", got, err)
	}
	if runtime.GOOS == "windows" {
		return // a process cannot be interrupted there
	}
	if err := server.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := server.Wait(); err != nil || serverSays.Len() > 0 {
		t.Errorf("the interrupted server ended with %v and said %q, want neither an error nor a word", err, &serverSays)
	}
}

func unusedAddr(t *testing.T) string {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer lis.Close()
	return lis.Addr().String()
}

func waitUntilServing(t *testing.T, addr string) {
	client, err := naru.NewClient(addr, naru.WithPlaintext())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	_, err = greeter.NewGreeterClient(client).SayHello(t.Context(), &greeter.HelloRequest{Name: "server"},
		naru.WaitForReady(true), naru.WithTimeout(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
}
