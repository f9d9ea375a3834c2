package outside

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A proxy is a load balancer that speaks HTTP/2 to both sides.
type proxy struct {
	suite string
	// command returns the command line that forwards from localhost's {port} to backend's port.
	// Files it needs go to dir.
	command func(dir string, backend int) ([]string, error)
	// soak are more flags of soak cases.
	soak []string
}

var proxies = []proxy{
	{"nginx", nginx, nil},
	// HAProxy 2.6 ends a connection to a server, with GOAWAY INTERNAL_ERROR, when it has no room
	// for the trailers of a response. The few calls that are under way are lost at once, grpc-go's
	// as well. What must not be is a call that stands still: the case is out of time then.
	{"haproxy", haproxy, []string{"--soak_max_failures=12"}},
	{"nghttpx", nghttpx, nil},
}

// throughProxies are the pairs of programs that run with a proxy in between.
var throughProxies = []interopPair{interopPairs[0], interopPairs[2]}

// Proxies runs the interop cases through each of nginx, HAProxy and nghttpx that is installed; one
// that is not counts as failed, for the suite was asked for.
func Proxies(ctx context.Context, t *Tree) []*Result {
	var results []*Result
	for _, p := range proxies {
		for _, pair := range throughProxies {
			results = append(results, t.throughProxy(ctx, p, pair))
		}
	}
	return results
}

func (t *Tree) throughProxy(ctx context.Context, p proxy, pair interopPair) *Result {
	r := &Result{Suite: p.suite, Role: pair.role + ", plaintext"}
	if r.Err = t.build(ctx, pair.client, pair.server); r.Err != nil {
		return r
	}
	fmt.Fprintf(t.Log, "%s, %s\n", p.suite, r.Role)
	began := time.Now()
	defer func() { r.Took = time.Since(began) }()
	server, err := t.start(ctx, pair.server, "--port={port}")
	if err != nil {
		r.Err = err
		return r
	}
	defer server.Stop()
	dir, err := os.MkdirTemp("", p.suite)
	if err != nil {
		r.Err = err
		return r
	}
	defer os.RemoveAll(dir)
	argv, err := p.command(dir, server.Port)
	if err != nil {
		r.Err = err
		return r
	}
	between, err := t.startProxy(ctx, p.suite, dir, argv)
	if err != nil {
		r.Err = fmt.Errorf("%w\n(needs Debian's nginx-light, haproxy and nghttp2-proxy, or the same from elsewhere)", err)
		return r
	}
	defer between.Stop()
	for _, c := range interopCases {
		if pair.lacks(c.needs) {
			continue
		}
		var more []string
		if strings.HasSuffix(c.name, "_soak") {
			more = p.soak
		}
		if out, err := t.interopCase(ctx, pair.client, between.Port, c, false, more...); err != nil {
			r.fail("%s: %v\n%s", c.name, err, tail(out, 2000))
			continue
		}
		r.Passed++
	}
	return r
}

// startProxy starts a proxy whose configuration file, if it has one, contains "{port}" too.
func (t *Tree) startProxy(ctx context.Context, name, dir string, argv []string) (*Process, error) {
	if _, err := exec.LookPath(argv[0]); err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "conf")
	text, rerr := os.ReadFile(file)
	return onFreePort(func(port int) (*Process, error) {
		if rerr == nil {
			text := strings.ReplaceAll(string(text), "{port}", strconv.Itoa(port))
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				return nil, err
			}
		}
		return t.startOn(ctx, port, name, nil, argv...)
	})
}

func nginx(dir string, backend int) ([]string, error) {
	conf := fmt.Sprintf(`daemon off;
pid %[1]s/pid;
error_log stderr warn;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path %[1]s/body;
  proxy_temp_path %[1]s/proxy;
  fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi;
  scgi_temp_path %[1]s/scgi;
  client_max_body_size 0;
  server {
    listen 127.0.0.1:{port} http2;
    location / { grpc_pass grpc://127.0.0.1:%[2]d; }
  }
}
`, dir, backend)
	return []string{"nginx", "-e", "stderr", "-c", filepath.Join(dir, "conf")}, os.WriteFile(filepath.Join(dir, "conf"), []byte(conf), 0o644)
}

func haproxy(dir string, backend int) ([]string, error) {
	conf := fmt.Sprintf(`defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend grpc
  bind 127.0.0.1:{port} proto h2
  default_backend naru
backend naru
  server one 127.0.0.1:%d proto h2
`, backend)
	return []string{"haproxy", "-f", filepath.Join(dir, "conf")}, os.WriteFile(filepath.Join(dir, "conf"), []byte(conf), 0o644)
}

func nghttpx(dir string, backend int) ([]string, error) {
	return []string{
		"nghttpx", "--conf=/dev/null", "--errorlog-file=/dev/stderr", "--workers=1",
		"-f127.0.0.1,{port};no-tls", fmt.Sprintf("-b127.0.0.1,%d;;proto=h2", backend),
	}, nil
}
