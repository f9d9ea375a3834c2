package outside

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/naru-rpc/naru/credentials/devcert"
)

// A language is a foreign implementation: a client and a server of the shop in test/foreign.
type language struct {
	suite string
	// needs says what has to be installed, for the message when it is not there.
	needs string
	// prepare makes the two programs ready to run.
	prepare func(ctx context.Context, t *Tree, f *foreign) error
	// command returns a program's command line, "client" or "server", and its environment's
	// additions.
	command func(t *Tree, f *foreign, program string) (argv, env []string)
	// onlyPlaintext leaves TLS out.
	onlyPlaintext bool
}

// foreign is what the languages share while they are tested.
type foreign struct {
	dir                  string // for generated code
	descriptors          string // the shop's, as a FileDescriptorSet
	caFile, cert, keyPEM string // files: a development CA and a certificate for localhost
}

// shopProtos are the files that languages generate code from.
var shopProtos = []string{
	"ecommerce/order_management.proto", "ecommerce/product_info.proto",
	"google/rpc/status.proto", "google/rpc/error_details.proto",
}

// runLanguage runs the language's client against the shop on naru, and naru's client, with the body
// of the peer tests, against the language's server.
func runLanguage(ctx context.Context, t *Tree, l language) []*Result {
	setup := &Result{Suite: l.suite, Role: "getting ready"}
	dir, err := os.MkdirTemp("", "foreign")
	if err != nil {
		setup.Err = err
		return []*Result{setup}
	}
	defer os.RemoveAll(dir)
	f := &foreign{dir: dir}
	if err := errors.Join(t.build(ctx, "shopserver"), f.writeCertificates(), t.writeDescriptors(ctx, f)); err != nil {
		setup.Err = err
		return []*Result{setup}
	}
	if err := l.prepare(ctx, t, f); err != nil {
		setup.Err = fmt.Errorf("%w\n(needs %s)", err, l.needs)
		return []*Result{setup}
	}
	var results []*Result
	for _, tls := range []bool{false, true} {
		if tls && l.onlyPlaintext {
			break
		}
		results = append(results, t.foreignClient(ctx, l, f, tls), t.foreignServer(ctx, l, f, tls))
	}
	return results
}

func (f *foreign) writeCertificates() error {
	ca, err := devcert.NewAuthority("foreign", 24*time.Hour)
	if err != nil {
		return err
	}
	cert, err := ca.Issue(devcert.Request{Hosts: []string{"localhost", "127.0.0.1", "::1"}})
	if err != nil {
		return err
	}
	key, err := cert.KeyPEM()
	if err != nil {
		return err
	}
	f.caFile, f.cert, f.keyPEM = filepath.Join(f.dir, "ca.pem"), filepath.Join(f.dir, "cert.pem"), filepath.Join(f.dir, "key.pem")
	return errors.Join(
		os.WriteFile(f.caFile, ca.CertPEM(), 0o644),
		os.WriteFile(f.cert, cert.CertPEM(), 0o644),
		os.WriteFile(f.keyPEM, key, 0o600))
}

// writeDescriptors has "naru gen" resolve the shop's .proto files, so that the languages need no
// folders of imports.
func (t *Tree) writeDescriptors(ctx context.Context, f *foreign) error {
	f.descriptors = filepath.Join(f.dir, "shop.binpb")
	cmd := exec.CommandContext(ctx, "go", "run", "./cmd/naru", "gen", "--quiet",
		"-I", "examples/shop/proto", "-I", "test/foreign/proto",
		"-M", "foreign.proto=example.com/foreign", "--out", filepath.Join(f.dir, "go"),
		"--descriptor-set", f.descriptors, "test/foreign/proto/foreign.proto")
	cmd.Dir = t.Root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("naru gen: %w\n%s", err, out)
	}
	return nil
}

func (t *Tree) foreignClient(ctx context.Context, l language, f *foreign, tls bool) *Result {
	r := &Result{Suite: l.suite, Role: "its client, naru server, " + security(tls)}
	fmt.Fprintf(t.Log, "%s, %s\n", l.suite, r.Role)
	began := time.Now()
	defer func() { r.Took = time.Since(began) }()
	args := []string{"--port={port}"}
	if tls {
		args = append(args, "--tls", "--tls_cert_file="+f.cert, "--tls_key_file="+f.keyPEM)
	}
	server, err := t.start(ctx, "shopserver", args...)
	if err != nil {
		r.Err = err
		return r
	}
	defer server.Stop()
	argv, env := l.command(t, f, "client")
	argv = append(argv, "localhost:"+strconv.Itoa(server.Port))
	if tls {
		argv = append(argv, f.caFile)
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	parseLines(r, string(out))
	if err != nil && r.Failed == 0 {
		r.Err = fmt.Errorf("%w\n%s", err, tail(string(out), 2000))
	}
	return r
}

// parseLines counts the lines "ok <case>" and "FAILED <case>: why".
func parseLines(r *Result, out string) {
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "ok ") {
			r.Passed++
		} else if why, ok := strings.CutPrefix(line, "FAILED "); ok {
			r.fail("%s", strings.TrimSpace(why))
		}
	}
}

func (t *Tree) foreignServer(ctx context.Context, l language, f *foreign, tls bool) *Result {
	r := &Result{Suite: l.suite, Role: "naru client, its server, " + security(tls)}
	fmt.Fprintf(t.Log, "%s, %s\n", l.suite, r.Role)
	began := time.Now()
	defer func() { r.Took = time.Since(began) }()
	argv, env := l.command(t, f, "server")
	argv = append(argv, "{port}")
	if tls {
		argv = append(argv, f.cert, f.keyPEM)
	}
	server, err := t.startCommand(ctx, l.suite+" server", env, argv...)
	if err != nil {
		r.Err = err
		return r
	}
	defer server.Stop()
	args := []string{"test", "-count=1", "-json", "-run", "^TestForeignServer$", "./peers", "-shop-server=localhost:" + strconv.Itoa(server.Port)}
	if tls {
		args = append(args, "-shop-ca="+f.caFile)
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = filepath.Join(t.Root, "test")
	out, err := cmd.Output()
	parseGoTest(r, string(out))
	if err != nil && r.Failed == 0 {
		r.Err = fmt.Errorf("go test: %w\n%s", err, tail(string(out), 2000))
	}
	return r
}

// parseGoTest counts the subtests in the output of "go test -json".
func parseGoTest(r *Result, out string) {
	output := map[string]string{}
	lines := bufio.NewScanner(strings.NewReader(out))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e struct{ Action, Test, Output string }
		if json.Unmarshal(lines.Bytes(), &e) != nil || !strings.Contains(e.Test, "/") {
			continue
		}
		switch e.Action {
		case "output":
			output[e.Test] += e.Output
		case "pass":
			r.Passed++
		case "skip":
			r.Skipped++
		case "fail":
			r.fail("%s\n%s", e.Test, output[e.Test])
		}
	}
}

func security(tls bool) string {
	if tls {
		return "TLS"
	}
	return "plaintext"
}
