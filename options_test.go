package naru_test

import (
	"context"
	"crypto/tls"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/credentials"
	"github.com/naru-rpc/naru/credentials/devcert"
	"github.com/naru-rpc/naru/encoding"
	"github.com/naru-rpc/naru/limits"
	"github.com/naru-rpc/naru/status"
	"github.com/naru-rpc/naru/stub"
)

// A constructor returns one error that names every bad option.
func TestBadOptions(t *testing.T) {
	_, err := naru.NewServer(
		nil,
		naru.WithLimits(limits.Limits{StreamWindow: 65_534, MaxHeaderListSize: 1<<28 + 1}),
		naru.WithLimitsFor("/noslash", limits.Limits{}),
		naru.WithLimitsFor("a.B", limits.Limits{Handlers: 1}),
		naru.WithKeepalive(naru.Keepalive{Timeout: -1}),
		naru.WithTLS(&tls.Config{}),
		naru.WithInterceptors(nil),
		naru.WithInterceptorsFor("/noslash", func(ctx context.Context, _ *naru.Call, next func(context.Context) error) error { return next(ctx) }),
		naru.WithCodecs(nil),
		naru.WithCompressors(encoding.Gzip(), encoding.Gzip()),
		naru.WithCompressionThreshold(-1),
	)
	wantAll(t, "NewServer", err, "new server", "option 0 is nil", "WithLimits: StreamWindow 65534", "WithLimits: MaxHeaderListSize 268435457",
		`WithLimitsFor("/noslash"): want`, `WithLimitsFor("a.B"): Handlers cannot be set here`, "WithKeepalive", "needs a certificate", "interceptor 0 is nil", `"/noslash"`, "WithCodecs: nil", `"gzip" is taken`, "WithCompressionThreshold(-1)")
	_, err = naru.NewServer(naru.WithCompression("br"))
	wantAll(t, "NewServer", err, `WithCompression("br"): no such compressor`)
	_, err = naru.NewClient("localhost:1", nil, naru.WithConnectTimeout(-1), naru.WithKeepalive(naru.Keepalive{PermittedInterval: -1}), naru.WithResolvers(nil), naru.CaptureHeader(nil), naru.CaptureTrailer(nil), naru.CapturePeer(nil), naru.WithLimits(limits.Limits{MaxAttempts: -1}))
	wantAll(t, "NewClient", err, "new client", "option 0 is nil", "WithConnectTimeout(-1ns)", "WithKeepalive: PermittedInterval -1ns", "WithResolvers", "CaptureHeader is for single calls", "CaptureTrailer is", "CapturePeer is", "WithLimits: MaxAttempts -1")
	for _, tt := range []struct {
		opt  naru.CallOption
		want string
	}{
		{naru.WithCompression("br"), `WithCompression("br"): no such compressor`},
		{naru.WithCodec("xml"), `WithCodec("xml"): no such codec`},
		{naru.WithMetadata("odd"), `key "odd" has no value`},
		{naru.WithTimeout(-1), "WithTimeout(-1ns): want 0 or more"},
		{naru.WithCredentials(nil), "WithCredentials: number 0 is nil"},
	} {
		_, err = naru.NewClient("localhost:1", tt.opt)
		wantAll(t, "NewClient", err, tt.want)
	}
	_, err = naru.NewClient("nope://a/b", naru.WithPlaintext())
	wantAll(t, "NewClient", err, "nope")
}

func wantAll(t *testing.T, what string, err error, want ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s accepted what should fail with %q", what, want)
		return
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%s: the error does not say %q:\n%v", what, w, err)
		}
	}
}

func TestBadCallOptions(t *testing.T) {
	p := start(t, "inproc", plain())
	for _, tt := range []struct {
		opt  naru.CallOption
		want string
	}{
		{nil, "call option 0 is nil"},
		{naru.WithMetadata("odd"), `WithMetadata: key "odd" has no value`},
		{naru.WithTimeout(-1), "WithTimeout(-1ns): want 0 or more"},
		{naru.WithCompression("br"), `no compressor "br" is known to this client (WithCompression)`},
		{naru.WithCodec("xml"), `no codec "xml" is known to this client (WithCodec)`},
	} {
		_, err := p.unary(t.Context(), "", tt.opt)
		wantStatus(t, err, codes.Internal, tt.want)
		_, err = p.NewStream(t.Context(), methodBidi, tt.opt)
		wantStatus(t, err, codes.Internal, tt.want)
	}
}

func TestCodecs(t *testing.T) {
	overAll(t, plain, func(t *testing.T, p *pair) {
		for _, codec := range []string{"proto", "json"} {
			got, err := p.unary(t.Context(), "hé", naru.WithCodec(codec))
			wantText(t, got, err, "hé")
			for kind, err := range callAllKinds(t.Context(), p, naru.WithCodec(codec)) {
				if err != nil {
					t.Errorf("%s, %s: %v", codec, kind, err)
				}
			}
		}
		var raw []byte
		err := p.Invoke(t.Context(), methodUnary, []byte("\x0a\x02hi"), &raw, naru.WithCodec("raw"))
		if status.Code(err) != codes.Internal {
			t.Errorf("a typed handler was given raw bytes: %v", err)
		}
	}, serverOnly{naru.WithCodecs(encoding.JSON())}, clientOnly{naru.WithCodecs(encoding.JSON())})
}

// JSON makes more work of a byte than the binary format does, so that only those have it who ask
// for it.
func TestJSONIsOptIn(t *testing.T) {
	overAll(t, plain, func(t *testing.T, p *pair) {
		_, err := p.unary(t.Context(), "x", naru.WithCodec("json"))
		wantStatus(t, err, codes.Internal, `no codec "json" is known to this client (WithCodec)`)
	})
	overAll(t, plain, func(t *testing.T, p *pair) {
		_, err := p.unary(t.Context(), "x", naru.WithCodec("json"))
		wantStatus(t, err, codes.Unimplemented, `unknown content subtype "json"`)
	}, clientOnly{naru.WithCodecs(encoding.JSON())})
}

// compressed counts messages that came compressed.
type compressed struct{ yes, no int }

func (c *compressed) watch(ctx context.Context, call *naru.Call, next func(context.Context) error) error {
	call.OnReceive(func(_ any, info naru.MessageInfo) error {
		if info.Compressed {
			c.yes++
			if info.WireSize >= info.Size {
				return errors.New("compression made the message no smaller")
			}
		} else {
			c.no++
		}
		return nil
	})
	return next(ctx)
}

func TestCompression(t *testing.T) {
	big := strings.Repeat("compress me ", 200)
	for _, name := range []string{"gzip", "zstd"} {
		for _, transport := range []string{"inproc", "http2"} {
			var up, down compressed
			p := start(t, transport, plain(), serverOnly{naru.WithInterceptors(up.watch)}, clientOnly{naru.WithInterceptors(down.watch)})
			got, err := p.unary(t.Context(), big, naru.WithCompression(name))
			wantText(t, got, err, big)
			if up != (compressed{1, 0}) || down != (compressed{1, 0}) {
				t.Errorf("%s %s: up %v, down %v; want all compressed", transport, name, up, down)
			}
			got, err = p.unary(t.Context(), "small", naru.WithCompression(name))
			wantText(t, got, err, "small")
			if up != (compressed{1, 1}) || down != (compressed{1, 1}) {
				t.Errorf("%s %s: up %v, down %v; want a small message as it is", transport, name, up, down)
			}
			s, err := stub.NewBidiStreamingClient[text, text](t.Context(), p, methodBidi, naru.WithCompression(name))
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range []any{str(big), naru.Uncompressed(str(big))} {
				if err := s.SendMsg(m); err != nil {
					t.Fatal(err)
				}
				got, err := s.Recv()
				wantText(t, got.GetValue(), err, big)
			}
			_ = s.Close()
			if up != (compressed{2, 2}) || down != (compressed{3, 1}) {
				t.Errorf("%s %s: up %v, down %v; want one message of the stream not compressed", transport, name, up, down)
			}
		}
	}
}

func TestHandlerChoosesCompression(t *testing.T) {
	big := strings.Repeat("compress me ", 200)
	e := handle(func(ctx context.Context, m *text) (*text, error) {
		if err := naru.SetCompression(ctx, m.Value); err != nil {
			return nil, err
		}
		return str(big), nil
	})
	var down compressed
	overAll(t, e, func(t *testing.T, p *pair) {
		down = compressed{}
		for _, name := range []string{"gzip", "", "identity"} {
			got, err := p.unary(t.Context(), name)
			wantText(t, got, err, big)
		}
		if down != (compressed{1, 2}) {
			t.Errorf("got %v", down)
		}
		_, err := p.unary(t.Context(), "br")
		wantStatus(t, err, codes.Internal, `set compression: no compressor "br" is known to this server`)
	}, clientOnly{naru.WithInterceptors(down.watch)})
	overAll(t, plain, func(t *testing.T, p *pair) {
		down = compressed{}
		got, err := p.unary(t.Context(), big)
		wantText(t, got, err, big)
		if down != (compressed{1, 0}) {
			t.Errorf("WithCompression: got %v", down)
		}
	}, clientOnly{naru.WithInterceptors(down.watch)}, serverOnly{naru.WithCompression("zstd")})
	// A client that knows no compression is sent none, and refuses to send any.
	overAll(t, plain, func(t *testing.T, p *pair) {
		got, err := p.unary(t.Context(), big)
		wantText(t, got, err, big)
	}, clientOnly{naru.WithCompressors()}, serverOnly{naru.WithCompression("zstd")})
	// A server that does not know the compression says what it knows.
	overAll(t, plain, func(t *testing.T, p *pair) {
		_, err := p.unary(t.Context(), big, naru.WithCompression("zstd"))
		wantStatus(t, err, codes.Unimplemented, `grpc-encoding "zstd" is not supported; accepted are: identity,gzip`)
	}, serverOnly{naru.WithCompressors(encoding.Gzip())})
}

func TestTLSAndPeers(t *testing.T) {
	ca, err := devcert.NewAuthority("test", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Issue(devcert.Request{Hosts: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	var peer naru.Peer
	e := handle(func(ctx context.Context, m *text) (*text, error) {
		peer, _ = naru.PeerFromContext(ctx)
		return m, nil
	})
	p := start(t, "http2", e(),
		serverOnly{naru.WithTLS(cert.ServerConfig())},
		clientOnly{naru.WithTLS(ca.ClientConfig())})
	token, err := credentials.Bearer("abc")
	if err != nil {
		t.Fatal(err)
	}
	var to naru.Peer
	got, err := p.unary(t.Context(), "secret", naru.CapturePeer(&to), naru.WithCredentials(token))
	wantText(t, got, err, "secret")
	if peer.TLS == nil || peer.TLS.NegotiatedProtocol != "h2" || peer.Addr == nil || peer.LocalAddr.String() != to.Addr.String() {
		t.Errorf("the server saw %+v", peer)
	}
	if to.TLS == nil || len(to.TLS.PeerCertificates) == 0 {
		t.Errorf("the client saw %+v", to)
	}
	if _, ok := naru.PeerFromContext(t.Context()); ok {
		t.Error("a context outside of a call has a peer")
	}
}

func TestCredentials(t *testing.T) {
	token, err := credentials.Bearer("abc")
	if err != nil {
		t.Fatal(err)
	}
	fails := credentials.BearerFunc(func(context.Context) (string, error) { return "", errors.New("no token today") })
	denied := credentials.BearerFunc(func(context.Context) (string, error) { return "", status.Error(codes.PermissionDenied, "not you") })
	var got string
	e := handle(func(ctx context.Context, m *text) (*text, error) {
		got = naruHeader(ctx, "authorization")
		return m, nil
	})
	p := start(t, "http2", e())
	_, err = p.unary(t.Context(), "", naru.WithCredentials(token))
	if s := status.Convert(err); s.Code() != codes.Unauthenticated || !strings.Contains(s.Message(), "without TLS") {
		t.Errorf("a token over plaintext: %v", s)
	}
	_, err = p.unary(t.Context(), "", naru.WithCredentials(credentials.AllowPlaintext(token)))
	if err != nil || got != "Bearer abc" {
		t.Errorf("a token that may go over plaintext: %q, %v", got, err)
	}
	_, err = p.unary(t.Context(), "", naru.WithCredentials(credentials.AllowPlaintext(fails)))
	wantStatus(t, err, codes.Unauthenticated, "credentials: no token today")
	_, err = p.unary(t.Context(), "", naru.WithCredentials(credentials.AllowPlaintext(denied)))
	wantStatus(t, err, codes.PermissionDenied, "not you")
	in := start(t, "inproc", e())
	if _, err = in.unary(t.Context(), "", naru.WithCredentials(token)); err != nil {
		t.Errorf("a token in process: %v", err)
	}
}

func TestNothingToConnectTo(t *testing.T) {
	c, err := naru.NewClient("passthrough:///127.0.0.1:1", naru.WithPlaintext(), naru.WithLogger(quiet))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p := &pair{Client: c}
	_, err = p.unary(t.Context(), "")
	if s := status.Convert(err); s.Code() != codes.Unavailable || !strings.Contains(s.Message(), "refused") {
		t.Errorf("got %v, want UNAVAILABLE with the reason", s)
	}
	_, err = p.unary(t.Context(), "", naru.WaitForReady(true), naru.WithTimeout(30*time.Millisecond))
	if s := status.Convert(err); s.Code() != codes.DeadlineExceeded || !strings.Contains(s.Message(), "refused") {
		t.Errorf("got %v, want DEADLINE_EXCEEDED with the reason", s)
	}
}
