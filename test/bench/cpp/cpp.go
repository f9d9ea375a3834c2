// Package cpp builds and starts the C++ echo programs, if this machine can.
//
// The sources are part of the Go program. They are built once, into the user's cache
// folder, with the compiler and the gRPC library found on the machine (Debian:
// libgrpc++-dev, protobuf-compiler-grpc, g++, pkg-config).
package cpp

import (
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/naru-rpc/naru/test/bench/proto"
)

//go:embed src
var embedded embed.FS

// ExitMissing is the exit code of a program that cannot do anything because ErrMissing.
const ExitMissing = 3

// ErrMissing says that the C++ library or its tools are not installed.
var ErrMissing = errors.New("the C++ gRPC library is not installed " +
	"(Debian: apt-get install g++ pkg-config libgrpc++-dev protobuf-compiler-grpc)")

// Available returns nil if the programs can be built here, else an error that is ErrMissing.
func Available() error {
	for _, tool := range []string{"g++", "pkg-config", "protoc", "grpc_cpp_plugin"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("no %s: %w", tool, ErrMissing)
		}
	}
	if err := exec.Command("pkg-config", "--exists", "grpc++", "protobuf").Run(); err != nil {
		return fmt.Errorf("pkg-config knows no grpc++: %w", ErrMissing)
	}
	return nil
}

// Version returns the library's version.
func Version() string {
	out, err := exec.Command("pkg-config", "--modversion", "grpc++").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

// Build compiles the program "server" or "client" unless that was done before, and returns its
// path.
func Build(program string) (string, error) {
	if err := Available(); err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	sources, err := fs.Sub(embedded, "src")
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	entries, err := fs.ReadDir(sources, ".")
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		text, err := fs.ReadFile(sources, e.Name())
		if err != nil {
			return "", err
		}
		fmt.Fprintf(hash, "%s %d\n%s", e.Name(), len(text), text)
	}
	fmt.Fprintf(hash, "%s\n%s", proto.Echo, Version())
	dir := filepath.Join(cache, "naru-bench", fmt.Sprintf("%x", hash.Sum(nil)[:8]))
	binary := filepath.Join(dir, program)
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	if err := compile(sources, dir, program); err != nil {
		return "", err
	}
	return binary, nil
}

func compile(sources fs.FS, dir, program string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.CopyFS(dir, sources); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "echo.proto"), []byte(proto.Echo), 0o644); err != nil {
		return err
	}
	// A name of its own and a rename, so that a second build at the same time does no harm.
	script := fmt.Sprintf(`set -e
protoc --cpp_out=. --grpc_out=. --plugin=protoc-gen-grpc="$(command -v grpc_cpp_plugin)" echo.proto
g++ -std=c++17 -O2 -o %[1]s.$$ %[1]s.cc echo.pb.cc echo.grpc.pb.cc $(pkg-config --cflags --libs grpc++ protobuf) -lpthread
mv %[1]s.$$ %[1]s`, program)
	cmd := exec.Command("sh", "-c", script)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building the C++ %s in %s: %w\n%s", program, dir, err, out)
	}
	return nil
}

// Exec builds a program and replaces this process with it. It returns only on failure.
func Exec(program string, args ...string) error {
	binary, err := Build(program)
	if err != nil {
		return err
	}
	return execve(binary, append([]string{"echo" + program + "-cpp"}, args...))
}
