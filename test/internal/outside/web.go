package outside

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/encoding"
	"github.com/naru-rpc/naru/examples/shop"
	"github.com/naru-rpc/naru/examples/shop/store"
	"github.com/naru-rpc/naru/health"
	"github.com/naru-rpc/naru/web"
)

const webNeeds = "node 20 or later and npm, which fetches the packages that package.json pins"

// Connect runs connect-es in Node against the shop: Connect, gRPC-Web and gRPC over HTTP/1.1 and
// HTTP/2.
func Connect(ctx context.Context, t *Tree) []*Result {
	l := language{
		suite: "connect-es in Node",
		command: func(_ *Tree, f *foreign, _ string) (argv, env []string) {
			return []string{"node", filepath.Join(f.dir, "node.js")}, []string{"SHOP_DESCRIPTORS=" + f.descriptors}
		},
	}
	return withWeb(ctx, t, l.suite, func(f *foreign) []*Result {
		return []*Result{t.foreignClient(ctx, l, f, false), t.foreignClient(ctx, l, f, true)}
	})
}

// withWeb makes the programs in test/foreign/web ready in a folder, for as long as run needs it.
func withWeb(ctx context.Context, t *Tree, suite string, run func(f *foreign) []*Result) []*Result {
	setup := &Result{Suite: suite, Role: "getting ready"}
	dir, err := os.MkdirTemp("", "web")
	if err != nil {
		setup.Err = err
		return []*Result{setup}
	}
	defer os.RemoveAll(dir)
	f := &foreign{dir: dir}
	setup.Err = errors.Join(t.build(ctx, "shopserver"), f.writeCertificates(), t.writeDescriptors(ctx, f),
		os.CopyFS(dir, os.DirFS(filepath.Join(t.Root, "test", "foreign", "web"))))
	if setup.Err == nil {
		if err := runIn(ctx, dir, "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"); err != nil {
			setup.Err = fmt.Errorf("%w\n(needs %s)", err, webNeeds)
		}
	}
	if setup.Err != nil {
		return []*Result{setup}
	}
	return run(f)
}

// Browser opens pages in Chromium that call the shop with connect-web and grpc-web: one of an
// origin that is allowed to, and two that are not, of the same site and of another.
func Browser(ctx context.Context, t *Tree) []*Result {
	return withWeb(ctx, t, "Chromium", func(f *foreign) []*Result {
		b := &browser{tree: t, foreign: f}
		setup := &Result{Suite: "Chromium", Role: "getting ready"}
		bundle := []string{filepath.Join("node_modules", ".bin", "esbuild"), "page.js", "--bundle", "--format=esm", "--outfile=bundle.js"}
		if b.chromium, setup.Err = findChromium(); setup.Err == nil {
			setup.Err = runIn(ctx, f.dir, bundle[0], bundle[1:]...)
		}
		if setup.Err != nil {
			return []*Result{setup}
		}
		return []*Result{b.run(ctx, false), b.run(ctx, true)}
	})
}

func findChromium() (string, error) {
	var last error
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		path, err := exec.LookPath(name)
		if err == nil {
			return path, nil
		}
		last = err
	}
	return "", last
}

// A browser is what pages are opened with.
type browser struct {
	tree     *Tree
	foreign  *foreign
	chromium string
}

// run has the pages call a server, over HTTP/1.1 in plaintext or HTTP/2 with TLS.
func (b *browser) run(ctx context.Context, secure bool) *Result {
	return b.tree.timed("Chromium", "its pages, naru server", secure, func(r *Result) error {
		ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
		defer cancel()
		pages := newPages(b.foreign)
		// All of one server: an origin is a scheme, a host and a port.
		own, err := pages.serve("localhost")
		if err != nil {
			return err
		}
		defer own.Close()
		sameSite, err := pages.serve("localhost")
		if err != nil {
			return err
		}
		defer sameSite.Close()
		otherSite, err := pages.serve("127.0.0.1")
		if err != nil {
			return err
		}
		defer otherSite.Close()
		var calls callLog
		server, stop, err := b.shop(ctx, secure, own.url, &calls)
		if err != nil {
			return err
		}
		defer stop()
		for _, p := range []struct {
			name, origin string
			allowed      bool
		}{{"page of the same site", sameSite.url, false}, {"page of another site", otherSite.url, false}, {"page", own.url, true}} {
			if err := b.open(ctx, p.name, p.origin, server, p.allowed, pages, r); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			if got := calls.take(); !p.allowed && len(got) > 0 {
				r.fail("%s: calls reached their handlers: %s", p.name, strings.Join(got, ", "))
			} else if !p.allowed {
				r.Passed++
			} else if len(got) == 0 {
				r.fail("%s: not one call reached its handler", p.name)
			}
		}
		return nil
	})
}

// shop serves the shop to pages of one origin, and notes its calls.
func (b *browser) shop(ctx context.Context, secure bool, origin string, calls *callLog) (url string, stop func(), err error) {
	opts := []naru.ServerOption{
		naru.WithWeb(web.Options{AllowedOrigins: []string{origin}}), naru.WithCodecs(encoding.JSON()), naru.WithInterceptors(calls.intercept),
	}
	scheme := "http://"
	if secure {
		cert, err := tls.LoadX509KeyPair(b.foreign.cert, b.foreign.keyPEM)
		if err != nil {
			return "", nil, err
		}
		scheme, opts = "https://", append(opts, naru.WithTLS(&tls.Config{Certificates: []tls.Certificate{cert}}))
	}
	srv, err := naru.NewServer(opts...)
	if err != nil {
		return "", nil, err
	}
	st, err := store.OpenTemporary(ctx)
	if err != nil {
		return "", nil, err
	}
	shop.Register(srv, st)
	health.Register(srv, health.NewServer())
	lis, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		return "", nil, errors.Join(err, st.Close())
	}
	served := make(chan struct{})
	go func() { defer close(served); _ = srv.Serve(lis) }()
	_, port, _ := net.SplitHostPort(lis.Addr().String())
	return scheme + "localhost:" + port, func() {
		_ = srv.Close()
		<-served
		_ = st.Close()
	}, nil
}

// callLog has the methods of calls that came to their handlers. Safe for concurrent use.
type callLog struct {
	mu    sync.Mutex
	calls []string
}

func (l *callLog) intercept(ctx context.Context, call *naru.Call, next func(context.Context) error) error {
	l.mu.Lock()
	l.calls = append(l.calls, call.Method().FullMethod)
	l.mu.Unlock()
	return next(ctx)
}

func (l *callLog) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	calls := l.calls
	l.calls = nil
	return calls
}

// open opens a page and reads its reports until it is done.
func (b *browser) open(ctx context.Context, name, origin, server string, allowed bool, pages *pages, r *Result) error {
	profile, err := os.MkdirTemp("", "chromium")
	if err != nil {
		return err
	}
	defer os.RemoveAll(profile)
	query := "?name=" + strings.ReplaceAll(name, " ", "%20") + "&server=" + server
	if allowed {
		query += "&allowed=yes"
	}
	var out syncBuffer
	cmd := exec.CommandContext(ctx, b.chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--ignore-certificate-errors", "--remote-debugging-port=0",
		"--user-data-dir="+profile, origin+"/"+query)
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, &out, waitDelay
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait() // it was told to end
	}()
	for {
		select {
		case line := <-pages.reports:
			if line == "done" {
				return nil
			}
			parseLines(r, line+"\n")
		case <-ctx.Done():
			return fmt.Errorf("the page did not report its end: %w\n%s", ctx.Err(), tail(out.String(), 2000))
		}
	}
}

// pages serves the page, and takes its reports.
type pages struct {
	http.Handler
	reports chan string // unbuffered: the page waits until a line has been read
}

func newPages(f *foreign) *pages {
	p := &pages{reports: make(chan string)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, `<!doctype html><title>shop</title><link rel="icon" href="data:,"><body><script type="module" src="/page.js"></script>`)
	})
	mux.HandleFunc("GET /page.js", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, filepath.Join(f.dir, "bundle.js"))
	})
	mux.HandleFunc("GET /shop.binpb", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, f.descriptors) })
	mux.HandleFunc("POST /report", func(w http.ResponseWriter, r *http.Request) {
		line, err := io.ReadAll(io.LimitReader(r.Body, 64<<10))
		if err != nil {
			return
		}
		select {
		case p.reports <- string(line):
		case <-r.Context().Done():
		}
	})
	p.Handler = mux
	return p
}

// An origin is where pages come from.
type origin struct {
	url string
	*http.Server
}

func (p *pages) serve(host string) (*origin, error) {
	lis, err := net.Listen("tcp", host+":0")
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(lis.Addr().String())
	o := &origin{url: "http://" + host + ":" + port, Server: &http.Server{Handler: p, ReadHeaderTimeout: time.Minute}}
	go func() { _ = o.Serve(lis) }() // until Close
	return o, nil
}
