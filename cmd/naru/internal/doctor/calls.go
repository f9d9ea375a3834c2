package doctor

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/dynamic"
	"github.com/naru-rpc/naru/health"
	"github.com/naru-rpc/naru/limits"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/status"
)

// calls makes calls of the health and reflection services.
func (e *examination) calls(ctx context.Context) {
	flags := e.config.endpoint
	flags.Plaintext, flags.TLS, flags.Verbose = e.plaintext, !e.plaintext, false
	if !e.plaintext {
		// The certificate has its own findings; what follows is about calls.
		flags.SkipVerify, flags.SPIFFE, flags.ServerName = true, "", ""
	}
	client, err := flags.Dial(ctx, e.env, e.config.target)
	if err != nil {
		e.add("call", failure, "", "%v", err)
		return
	}
	defer client.Close()
	header, ok := e.health(ctx, client)
	if !ok {
		return
	}
	e.proxies(header)
	e.compareClock(first(header, "date"))
	e.reflection(ctx, client)
	e.compression(ctx, client, header)
	e.metadataLimit(ctx, client)
	e.messageLimit(ctx, client)
}

// callTime bounds each call.
const callTime = 10 * time.Second

// probe makes one health check, for a service that does not exist if name is not empty. The status
// of that is NOT_FOUND as a rule, which is an answer like any other.
func (e *examination) probe(ctx context.Context, client *naru.Client, name string, opts ...naru.CallOption) (health.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	return health.Check(ctx, client, name, opts...)
}

// health makes the first call. It returns false if calls cannot be made at all.
func (e *examination) health(ctx context.Context, client *naru.Client) (header metadata.MD, ok bool) {
	start := time.Now()
	var trailer metadata.MD
	st, err := e.probe(ctx, client, "", naru.CaptureHeader(&header), naru.CaptureTrailer(&trailer))
	if header == nil {
		header = trailer
	}
	took := short(time.Since(start))
	switch code := status.Code(err); {
	case err == nil && st == health.Serving:
		e.add("health", good, "", "SERVING (%v)", took)
	case err == nil:
		e.add("health", failure, "the server says it should not be called: see its log, and naru health --list", "%v", st)
	case code == codes.Unimplemented:
		e.add("health", warning, "add the health service, so that orchestrators and load balancers see whether the server is fit", "the server has no health service, and answers calls (%v)", took)
	case code == codes.Unauthenticated || code == codes.PermissionDenied:
		e.add("health", warning, "give --header \"authorization: ...\"; further calls would be refused, too", "the server refuses the call: %v", err)
		return header, false
	case strings.Contains(err.Error(), "HTTP status") || strings.Contains(err.Error(), "content-type"):
		e.add("health", failure, "something between here and the server answers in its place: see its configuration for gRPC", "not a gRPC answer: %v", err)
		return header, false
	case code == codes.NotFound || code == codes.Unknown || code == codes.Internal:
		e.add("health", failure, "the health service fails: see the server's log", "%v", err)
	default:
		e.add("health", failure, adviceFor(err), "the call failed: %v", err)
		return header, false
	}
	return header, true
}

// adviceFor says what to do about a call that failed.
func adviceFor(err error) string {
	switch status.Code(err) {
	case codes.DeadlineExceeded:
		return "the server accepts calls and does not answer them: look for exhausted workers or a stuck proxy"
	case codes.ResourceExhausted:
		return "the server or a proxy is at a limit: the text names it"
	}
	return "see the text, and the server's log"
}

func first(md metadata.MD, name string) string {
	if values := md[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// proxies reports what has put its name into the response.
func (e *examination) proxies(header metadata.MD) {
	var seen []string
	for _, name := range []string{"via", "server", "x-envoy-upstream-service-time", "x-envoy-decorator-operation", "x-served-by", "cf-ray", "x-amzn-trace-id", "alt-svc", "x-cache"} {
		if v := first(header, name); v != "" {
			seen = append(seen, name+": "+v)
		}
	}
	if len(seen) == 0 {
		e.add("proxies", good, "", "none that shows itself in the response")
		return
	}
	e.add("proxies", note, "limits and timeouts of what stands in between apply, too", "the response has %s", strings.Join(seen, ", "))
}

func (e *examination) reflection(ctx context.Context, client *naru.Client) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	services, err := dynamic.Reflection(client).Services(ctx)
	switch {
	case err == nil:
		e.add("reflection", good, "", "%s", plural(len(services), "service"))
	case status.Code(err) == codes.Unimplemented:
		e.add("reflection", warning, "naru list, describe and call need --proto or --descriptor-set for this server; or turn reflection on where it is safe", "the server has no reflection")
	default:
		e.add("reflection", warning, "see the text", "%v", err)
	}
}

// compression reports what a server says it accepts, and tries gzip.
func (e *examination) compression(ctx context.Context, client *naru.Client, header metadata.MD) {
	// Of a size that a client compresses.
	_, err := e.probe(ctx, client, strings.Repeat("naru doctor ", 400), naru.WithCompression("gzip"))
	switch {
	case answered(err):
		e.add("compression", good, "", "a request in gzip is understood")
	case status.Code(err) == codes.Unimplemented:
		e.add("compression", note, "clients must not compress requests for this server", "requests in gzip are refused: %v", err)
	default:
		e.add("compression", note, "", "a request in gzip fails: %v", err)
	}
}

// answered reports whether a call reached the health service: its answers, and NOT_FOUND for a
// service that does not exist. A server without the health service answers UNIMPLEMENTED whatever
// is asked.
func answered(err error) bool {
	code := status.Code(err)
	return err == nil || code == codes.NotFound || code == codes.Unimplemented && strings.Contains(err.Error(), "unknown service")
}

// metadataSizes are tried in turn: sizes of metadata that are common with tokens and tracing.
var metadataSizes = []int{1 << 10, 4 << 10, 8 << 10, 16 << 10}

// overhead is what the other fields of a request take of a header list, generously.
const overhead = 1 << 10

// metadataLimit sends calls with more and more metadata.
func (e *examination) metadataLimit(ctx context.Context, client *naru.Client) {
	passed := 0
	for i, n := range metadataSizes {
		if e.headerLimit > 0 && n+overhead > e.headerLimit {
			break // it said so
		}
		value := strings.Repeat("naru", n/4)
		_, err := e.probe(ctx, client, "", naru.WithMetadata("x-naru-doctor", value), naru.WithoutRetry())
		if answered(err) {
			passed = n
			continue
		}
		v := note
		if i < 2 {
			v = warning
		}
		e.add("metadata", v, "a server or proxy on the way takes no more: raise its limit of header lists, or send less", "a call with %s of metadata fails: %v", size(n), err)
		return
	}
	if passed > 0 {
		e.add("metadata", good, "", "a call with %s of metadata is answered", size(passed))
	}
}

// messageLimit finds the largest request that is taken, by halving.
func (e *examination) messageLimit(ctx context.Context, client *naru.Client) {
	most := e.config.maxMessage
	if most == 0 {
		e.add("message", skipped, "--max-probe 4194304 tries gRPC's usual limit", "not tried")
		return
	}
	try := func(n int) error {
		_, err := e.probe(ctx, client, strings.Repeat("n", n), naru.WithCompression("identity"), naru.WithLimits(limits.Limits{MaxSendMessageSize: most + 64}))
		return err
	}
	last := try(most)
	if status.Code(last) == codes.Unimplemented {
		e.add("message", skipped, "", "the server has no health service to try it on")
		return
	}
	if answered(last) {
		e.add("message", good, "", "a request of %s is taken", size(most))
		return
	}
	taken, refused := 0, most
	for refused-taken > max(1, refused/64) && ctx.Err() == nil {
		middle := (taken + refused) / 2
		if err := try(middle); answered(err) {
			taken = middle
		} else {
			refused, last = middle, err
		}
	}
	v := note
	if refused <= 256<<10 {
		v = warning
	}
	e.add("message", v, "raise the server's limit of received messages (4 MiB is gRPC's default), or that of the proxy before it; or send in parts, as a stream",
		"requests of about %d bytes are refused: %v", refused, trimmed(last))
}

// trimmed shortens an error that may quote the request.
func trimmed(err error) string {
	text := err.Error()
	if errors.Is(err, io.EOF) {
		text = "the connection was closed"
	}
	if len(text) > 300 {
		text = text[:300] + "..."
	}
	return text
}
