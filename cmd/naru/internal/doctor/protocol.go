package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/naru-rpc/naru/internal/h2/frame"
)

// protocol opens an HTTP/2 connection and looks at the server's settings. It returns false if there
// is none.
func (e *examination) protocol(ctx context.Context) bool {
	w, err := e.open(ctx)
	var other *notHTTP2
	switch {
	case err == nil:
		defer w.conn.Close()
		e.add("http2", good, "", "the server sends its SETTINGS")
		e.settings(w.settings)
		return true
	case errors.As(err, &other) && other.status != "":
		e.http1(other)
	case errors.As(err, &other):
		e.add("http2", failure, "the port belongs to something other than gRPC: check the port", "no HTTP/2: %v", err)
	case isTimeout(err):
		e.add("http2", failure, "the process is stuck, or something in between holds the connection without a server behind it: look at the server's threads and at the load balancer's backends",
			"the connection is accepted, and nothing answers within %v", e.config.endpoint.ConnectTimeout)
	case errors.Is(err, io.EOF) || strings.Contains(err.Error(), "reset by peer"):
		advice := "the server expects something else: TLS (try --tls), or HTTP/1.1"
		if !e.plaintext {
			advice = "the server speaks no HTTP/2 on this port"
		}
		e.add("http2", failure, advice, "the server closes the connection at HTTP/2's first bytes (%v)", err)
	case errors.Is(err, errGoAway):
		e.add("http2", failure, "see the server's log: it refuses new connections", "the server ends the connection at once")
	default:
		e.add("http2", failure, "check what listens there", "%v", err)
	}
	return false
}

// http1 reports an HTTP/1.1 server or proxy.
func (e *examination) http1(n *notHTTP2) {
	who := ""
	if n.server != "" {
		who += ", Server: " + n.server
	}
	if n.via != "" {
		who += ", Via: " + n.via
	}
	e.add("http2", failure, "an HTTP/1.1 server or proxy stands here: gRPC needs HTTP/2 on every hop. In nginx: \"http2 on\" and grpc_pass; at load balancers: a gRPC or HTTP/2 listener and backend, or TCP passthrough",
		"no HTTP/2: it answers %s%s", n.status, who)
	e.compareClock(n.date)
}

// settings reports the limits that a server announces. RFC 9113 §6.5.2 has the defaults.
func (e *examination) settings(list []frame.Setting) {
	value := map[frame.SettingID]uint32{}
	for _, s := range list {
		value[s.ID] = s.Value
	}
	streams, ok := value[frame.SettingMaxConcurrentStreams]
	switch {
	case !ok:
		e.add("streams", good, "", "no limit of calls at a time on a connection")
	case streams == 0:
		e.add("streams", failure, "raise the server's limit of concurrent streams", "the server allows no calls on a connection (MAX_CONCURRENT_STREAMS 0)")
	case streams < 10:
		e.add("streams", warning, "further calls wait for those before them: raise the server's limit of concurrent streams (100 and more are usual), or let clients open more connections",
			"the server allows %s at a time on a connection (MAX_CONCURRENT_STREAMS)", plural(int(streams), "call"))
	default:
		e.add("streams", good, "", "%d calls at a time on a connection", streams)
	}
	if window, ok := value[frame.SettingInitialWindowSize]; ok && window < 16<<10 {
		e.add("window", warning, "large requests are slow: raise the server's initial window (64 KiB is HTTP/2's default)",
			"the server takes %d bytes of a request at a time (INITIAL_WINDOW_SIZE)", window)
	}
	limit, ok := value[frame.SettingMaxHeaderListSize]
	e.headerLimit = int(limit)
	switch {
	case ok && limit < 8<<10:
		e.add("metadata", warning, "metadata with tokens is often 2 to 4 KiB, and every proxy adds to it: raise the server's limit of header lists (8 KiB and more are usual)",
			"the server takes %s of metadata in a request (MAX_HEADER_LIST_SIZE)", size(int(limit)))
	case ok:
		e.add("metadata", good, "", "%s of metadata in a request", size(int(limit)))
	}
}

func size(n int) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}

// probes is how many pings are sent: more than twice what gRFC A8 lets pass.
const probes = 10

// pings sends pings on a connection of its own until the server ends it, and looks whether the
// server still accepts connections after it.
func (e *examination) pings(ctx context.Context) {
	w, err := e.open(ctx)
	if err != nil {
		e.add("pings", failure, "the server took the first connection and not this one: look at its limit of connections", "%v", err)
		return
	}
	defer w.conn.Close()
	deadline := time.Now().Add(min(e.config.endpoint.ConnectTimeout, 3*time.Second))
	start := time.Now()
	var first time.Duration
	for i := range probes {
		err := w.ping(byte(i), deadline)
		if err != nil {
			e.pingEnd(ctx, i, err, w)
			return
		}
		if i == 0 {
			first = time.Since(start)
		}
	}
	e.add("pings", good, "", "%d pings without a call are answered (the first in %v)", probes, short(first))
}

// pingEnd reports a connection that pings have ended.
func (e *examination) pingEnd(ctx context.Context, answered int, err error, w *wire) {
	if answered == 0 && isTimeout(err) {
		e.add("pings", failure, "clients with keepalive take such a server for dead: let the server answer PING (RFC 9113 §6.7)", "a ping is not answered")
		return
	}
	if w.goAway == nil {
		e.add("pings", warning, "set the clients' keepalive time to 5 minutes or more", "the connection ended after %s: %v", plural(answered, "ping"), err)
		return
	}
	again := "new connections are accepted"
	if next, err := e.open(ctx); err != nil {
		again = fmt.Sprintf("a new connection fails: %v", err)
	} else {
		next.conn.Close()
	}
	// gRFC A8: two strikes are forgiven, so that servers with gRPC's defaults answer three pings or
	// more.
	v, how := note, "as gRPC's defaults have it"
	if answered < 3 {
		v, how = warning, "stricter than gRPC's defaults"
	}
	e.add("pings", v, "keep the clients' keepalive time at 5 minutes or more and without calls off, or permit more at the server (grpc-go: EnforcementPolicy.MinTime and PermitWithoutStream; naru: Limits.PingInterval)",
		"the server ended a connection without calls after %s in a row, %s (%v %q); %s", plural(answered+1, "ping"), how, w.goAway.Code, w.goAway.Debug, again)
}

// idle keeps a connection silent for the time of --idle.
func (e *examination) idle(ctx context.Context) {
	limit := e.config.idle
	if limit == 0 {
		e.add("idle", skipped, "--idle 5m waits for what cuts idle connections", "not tried")
		return
	}
	w, err := e.open(ctx)
	if err != nil {
		e.add("idle", failure, "", "%v", err)
		return
	}
	defer w.conn.Close()
	stop := context.AfterFunc(ctx, func() { w.conn.Close() })
	defer stop()
	start := time.Now()
	for {
		_, err = w.next(start.Add(limit))
		if err != nil {
			break
		}
	}
	waited := time.Since(start)
	var timeout net.Error
	switch {
	case ctx.Err() != nil:
	case errors.As(err, &timeout) && timeout.Timeout():
		e.idleAlive(w, limit)
	case w.goAway != nil:
		e.add("idle", note, "this is the server's doing and clients reconnect by themselves", "the server said GOAWAY after %v of silence (%v %q)", short(waited), w.goAway.Code, w.goAway.Debug)
	default:
		e.add("idle", warning, "a proxy, load balancer or firewall cuts idle connections: set the clients' keepalive below this time", "cut without GOAWAY after %v of silence (%v)", short(waited), err)
	}
}

// idleAlive pings a connection that was silent: a firewall that forgot it drops what is sent.
func (e *examination) idleAlive(w *wire, limit time.Duration) {
	if err := w.ping(0, time.Now().Add(e.config.endpoint.ConnectTimeout)); err != nil {
		e.add("idle", warning, "a firewall or NAT has forgotten the connection without a word: set the clients' keepalive below this time", "dead after %v of silence: a ping is not answered (%v)", limit, err)
		return
	}
	e.add("idle", good, "", "alive after %v of silence", limit)
}

// maxSkew is how far two clocks may be apart before deadlines and tokens suffer. The Date header
// has seconds.
const maxSkew = 5 * time.Second

// compareClock compares the clocks by a Date header, "" for none.
func (e *examination) compareClock(date string) {
	if date == "" {
		return
	}
	theirs, err := http.ParseTime(date)
	if err != nil {
		return
	}
	skew := time.Until(theirs).Round(time.Second)
	direction := "ahead of"
	if skew < 0 {
		direction = "behind"
	}
	if skew.Abs() > maxSkew {
		e.add("clock", failure, "tokens and certificates are judged by it: set both clocks by a time server (NTP)", "the server's clock is %v %s this machine's (its Date header)", skew.Abs(), direction)
		return
	}
	e.add("clock", good, "", "the server's clock is this machine's to %v", maxSkew)
}
