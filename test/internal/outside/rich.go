package outside

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/test/internal/pair"
)

// richHandler answers "details <bytes>" with FAILED_PRECONDITION and one detail of so many bytes,
// and "trailer <bytes>" with OK and so much metadata behind the response. Clients in other
// languages take 8 KiB or 16 KiB of header fields: a server must end larger calls with a status all
// the same.
func richHandler(c pair.ServerCall) error {
	m, err := c.Recv()
	if err != nil {
		return err
	}
	var what string
	var n int
	if _, err := fmt.Sscanf(m, "%s %d", &what, &n); err != nil {
		return &pair.Failure{Code: codes.InvalidArgument, Message: err.Error()}
	}
	if what == "details" {
		return &pair.Failure{Code: codes.FailedPrecondition, Message: "rich", DetailBytes: n}
	}
	if err := c.SetTrailer("pad", strings.Repeat("t", n)); err != nil {
		return err
	}
	return c.Send("done")
}

// Rich has clients in Python, Node and C++ receive errors with details and trailers up to far more
// than they take.
func Rich(ctx context.Context, t *Tree) []*Result {
	dir, err := os.MkdirTemp("", "rich")
	if err != nil {
		return []*Result{{Suite: "rich errors", Role: "getting ready", Err: err}}
	}
	defer os.RemoveAll(dir)
	f := &foreign{dir: dir}
	if err := f.writeCertificates(); err != nil {
		return []*Result{{Suite: "rich errors", Role: "getting ready", Err: err}}
	}
	programs := filepath.Join(t.Root, "test", "foreign")
	node := t.installNode(ctx, f)
	python, perr := findPython(ctx)
	cpp := compileRich(ctx, dir, filepath.Join(programs, "cpp", "rich.cc"))
	clients := []struct {
		name string
		err  error
		argv []string
	}{
		{"Python grpcio", perr, []string{python, filepath.Join(programs, "python", "rich.py")}},
		{"Node grpc-js", node, []string{"node", filepath.Join(dir, "rich.js")}},
		{"gRPC C++", cpp, []string{filepath.Join(dir, "rich")}},
	}
	var results []*Result
	for _, c := range clients {
		for _, secure := range []bool{false, true} {
			results = append(results, t.timed("rich errors: "+c.name, "its client, naru server", secure, func(r *Result) error {
				if c.err != nil {
					return c.err
				}
				return t.direct(richHandler, secure, f, func(port int) error {
					argv := append(c.argv[1:len(c.argv):len(c.argv)], fmt.Sprintf("localhost:%d", port))
					if secure {
						argv = append(argv, f.caFile)
					}
					return runLines(ctx, r, c.argv[0], argv...)
				})
			}))
		}
	}
	return results
}

// compileRich links one program with gRPC C++; it needs no generated code but protobuf's own.
func compileRich(ctx context.Context, dir, source string) error {
	if _, err := exec.LookPath("g++"); err != nil {
		return err
	}
	err := runIn(ctx, dir, "g++", "-std=c++17", "-O0", "-o", "rich", source,
		"-Wl,--copy-dt-needed-entries", "-lgrpc++", "-lgrpc", "-lgpr", "-lprotobuf", "-lpthread")
	if err != nil {
		return errors.Join(err, errors.New("(needs Debian's libgrpc++-dev, or the same from elsewhere)"))
	}
	return nil
}
