package outside

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/naru-rpc/naru/test/internal/pair"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// A gateway is a proxy with or without TLS, on both sides alike.
type gateway struct {
	suite, program string
	command        func(f *foreign, dir string, backend int, secure bool) (argv []string, conf string)
	stacks         []pair.Stack // whose clients call through it
}

var gateways = []gateway{
	{"nginx", "nginx", nginxSizes, []pair.Stack{pair.Naru}},
	// HAProxy loses some calls itself: what another stack loses is the measure.
	{"HAProxy", "haproxy", haproxySizes, []pair.Stack{pair.Naru, pair.GRPCGo}},
	{"nghttpx", "nghttpx", nghttpxSizes, []pair.Stack{pair.Naru}},
}

// Sizes runs the calls of the table against Node's grpc-js as server and as client, and through
// nginx, HAProxy and nghttpx with naru's client and with curl.
func Sizes(ctx context.Context, t *Tree) []*Result {
	dir, err := os.MkdirTemp("", "sizes")
	if err != nil {
		return []*Result{{Suite: "sizes", Role: "getting ready", Err: err}}
	}
	defer os.RemoveAll(dir)
	f := &foreign{dir: dir}
	if err := f.writeCertificates(); err != nil {
		return []*Result{{Suite: "sizes", Role: "getting ready", Err: err}}
	}
	var results []*Result
	node := t.installNode(ctx, f)
	for _, secure := range []bool{false, true} {
		results = append(results,
			t.timed("sizes: Node grpc-js", "naru client, its server", secure, func(r *Result) error {
				return errors.Join(node, t.sizesNodeServer(ctx, r, f, secure))
			}),
			t.timed("sizes: Node grpc-js", "its client, naru server", secure, func(r *Result) error {
				return errors.Join(node, t.sizesNodeClient(ctx, r, f, secure))
			}))
		for _, g := range gateways {
			for _, stack := range g.stacks {
				results = append(results, t.timed("sizes: "+g.suite, stack.Name+" client, naru server", secure, func(r *Result) error {
					return t.sizesThrough(ctx, r, g, f, secure, func(port int) error { return sizesOf(ctx, r, stack, f, secure, port) })
				}))
			}
		}
		for _, g := range gateways {
			results = append(results, t.timed("sizes: "+g.suite, "curl, naru server", secure, func(r *Result) error {
				return t.sizesThrough(ctx, r, g, f, secure, func(port int) error { return curlAll(ctx, r, f, secure, port) })
			}))
		}
		results = append(results, t.timed("sizes: curl", "curl, naru server", secure, func(r *Result) error {
			return t.direct(sizesHandler, secure, f, func(port int) error { return curlAll(ctx, r, f, secure, port) })
		}))
	}
	return results
}

// timed runs one row of the table of results. A program that is not installed is said to be
// missing.
func (t *Tree) timed(suite, role string, secure bool, run func(*Result) error) *Result {
	r := &Result{Suite: suite, Role: role + ", " + security(secure)}
	fmt.Fprintf(t.Log, "%s, %s\n", r.Suite, r.Role)
	began := time.Now()
	r.Err = run(r)
	r.Took = time.Since(began)
	return r
}

// installNode copies the programs for Node beside the packages they need, which npm fetches.
func (t *Tree) installNode(ctx context.Context, f *foreign) error {
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			return err
		}
	}
	if err := os.CopyFS(f.dir, os.DirFS(filepath.Join(t.Root, "test", "foreign", "node"))); err != nil {
		return err
	}
	return runIn(ctx, f.dir, "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
}

func (t *Tree) sizesNodeServer(ctx context.Context, r *Result, f *foreign, secure bool) error {
	argv := []string{"node", filepath.Join(f.dir, "sizes_server.js"), "{port}"}
	if secure {
		argv = append(argv, f.cert, f.keyPEM)
	}
	p, err := t.startCommand(ctx, "grpc-js sizes server", nil, argv...)
	if err != nil {
		return err
	}
	defer p.Stop()
	if err := sizesOf(ctx, r, pair.Naru, f, secure, p.Port); err != nil {
		return err
	}
	return p.Alive()
}

// sizesOf makes the calls of the table with a stack's client.
func sizesOf(ctx context.Context, r *Result, stack pair.Stack, f *foreign, secure bool, port int) error {
	client, err := dialSizes(stack, port, secure, f)
	if err != nil {
		return err
	}
	runSizes(ctx, r, client)
	return client.Close()
}

func (t *Tree) sizesNodeClient(ctx context.Context, r *Result, f *foreign, secure bool) error {
	return t.direct(sizesHandler, secure, f, func(port int) error {
		argv := []string{filepath.Join(f.dir, "sizes_client.js"), "localhost:" + strconv.Itoa(port), strings.Trim(fmt.Sprint(sizes), "[]")}
		if secure {
			argv = append(argv, f.caFile)
		}
		return runLines(ctx, r, "node", argv...)
	})
}

// runLines runs a program that prints "ok <case>" and "FAILED <case>: why".
func runLines(ctx context.Context, r *Result, name string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	parseLines(r, string(out))
	if err != nil && r.Failed == 0 {
		return fmt.Errorf("%s: %w\n%s", name, err, tail(string(out), 2000))
	}
	return nil
}

// direct runs body with the port of a naru server.
func (t *Tree) direct(h pair.Handler, secure bool, f *foreign, body func(port int) error) error {
	srv, err := serveSizes(h, secure, f, pair.Limits{Receive: sizeLimit})
	if err != nil {
		return err
	}
	_, text, err := net.SplitHostPort(srv.Addr)
	if err != nil {
		return err
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return err
	}
	return errors.Join(body(port), srv.Stop(10*time.Second))
}

// sizesThrough runs body with the port of a proxy before a naru server.
func (t *Tree) sizesThrough(ctx context.Context, r *Result, g gateway, f *foreign, secure bool, body func(port int) error) error {
	if _, err := exec.LookPath(g.program); err != nil {
		return err
	}
	return t.direct(sizesHandler, secure, f, func(backend int) error {
		dir, err := os.MkdirTemp(f.dir, g.suite)
		if err != nil {
			return err
		}
		argv, conf := g.command(f, dir, backend, secure)
		if err := os.WriteFile(filepath.Join(dir, "conf"), []byte(conf), 0o644); err != nil {
			return err
		}
		p, err := t.startProxy(ctx, g.suite, dir, argv)
		if err != nil {
			return err
		}
		defer p.Stop()
		return errors.Join(body(p.Port), p.Alive())
	})
}

func nginxSizes(f *foreign, dir string, backend int, secure bool) ([]string, string) {
	listen, pass, certificate := "http2", "grpc", ""
	if secure {
		listen, pass = "ssl http2", "grpcs"
		certificate = fmt.Sprintf("ssl_certificate %s; ssl_certificate_key %s;", f.cert, f.keyPEM)
	}
	return []string{"nginx", "-e", "stderr", "-c", filepath.Join(dir, "conf")}, fmt.Sprintf(`daemon off;
pid %[1]s/pid;
error_log stderr warn;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
  client_max_body_size 0;
  server {
    listen 127.0.0.1:{port} %[2]s;
    %[3]s
    location / { grpc_pass %[4]s://127.0.0.1:%[5]d; }
  }
}
`, dir, listen, certificate, pass, backend)
}

func haproxySizes(f *foreign, dir string, backend int, secure bool) ([]string, string) {
	listen, server := "proto h2", "proto h2"
	if secure {
		cert, cerr := os.ReadFile(f.cert)
		key, kerr := os.ReadFile(f.keyPEM)
		if cerr == nil && kerr == nil { // HAProxy says what is missing otherwise
			_ = os.WriteFile(filepath.Join(dir, "both.pem"), append(cert, key...), 0o600)
		}
		listen = "ssl crt " + filepath.Join(dir, "both.pem") + " alpn h2"
		server = "ssl verify none alpn h2"
	}
	return []string{"haproxy", "-f", filepath.Join(dir, "conf")}, fmt.Sprintf(`defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend grpc
  bind 127.0.0.1:{port} %s
  default_backend naru
backend naru
  server one 127.0.0.1:%d %s
`, listen, backend, server)
}

func nghttpxSizes(f *foreign, _ string, backend int, secure bool) ([]string, string) {
	argv := []string{"nghttpx", "--conf=/dev/null", "--errorlog-file=/dev/stderr", "--workers=1"}
	if secure {
		return append(argv, "--insecure", "-f127.0.0.1,{port}", fmt.Sprintf("-b127.0.0.1,%d;;proto=h2;tls", backend), f.keyPEM, f.cert), ""
	}
	return append(argv, "-f127.0.0.1,{port};no-tls", fmt.Sprintf("-b127.0.0.1,%d;;proto=h2", backend)), ""
}

// curlAll uploads unary requests of some sizes with curl, which is nghttp2, and ends them at once
// and later.
func curlAll(ctx context.Context, r *Result, f *foreign, secure bool, port int) error {
	if _, err := exec.LookPath("curl"); err != nil {
		return err
	}
	for _, n := range []int{1, 20_000, 65_000, 65_536, 66_547, 100_000, 1 << 20} {
		for _, later := range []time.Duration{0, laterEnd} {
			if r.Failed >= enough {
				return nil
			}
			if err := curlOne(ctx, f, secure, port, n, later); err != nil {
				r.fail("%d bytes up, end after %v: %v", n, later, err)
			} else {
				r.Passed++
			}
		}
	}
	return nil
}

func curlOne(ctx context.Context, f *foreign, secure bool, port, size int, later time.Duration) error {
	m := "10 0;"
	m += strings.Repeat("u", max(0, size-len(m)))
	body, err := proto.Marshal(wrapperspb.String(m))
	if err != nil {
		return err
	}
	frame := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(body))), body...)
	url := fmt.Sprintf("http://localhost:%d", port)
	args := []string{"--http2-prior-knowledge"}
	if secure {
		url = fmt.Sprintf("https://localhost:%d", port)
		args = []string{"--http2", "--cacert", f.caFile}
	}
	ctx, cancel := context.WithTimeout(ctx, sizeTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "curl", append(args, "-sS", "-i", "-X", "POST", "-H", "content-type: application/grpc",
		"-H", "te: trailers", "-T", "-", url+pair.Unary.Path())...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return err
	}
	_, werr := stdin.Write(frame)
	if later > 0 {
		<-time.After(later)
	}
	err = errors.Join(werr, stdin.Close(), cmd.Wait())
	if err == nil && !(strings.Contains(out.String(), fmt.Sprintf("%d;dddddddddd", len(m))) && strings.Contains(out.String(), "grpc-status: 0")) {
		err = errors.New("no response that ends with OK")
	}
	if err != nil {
		return fmt.Errorf("%w\n%s", err, tail(out.String(), 500))
	}
	return nil
}
