package naru

import (
	"context"
	"net/http"
	"time"

	"github.com/naru-rpc/naru/internal/brief"
	"github.com/naru-rpc/naru/web"
)

type serverConfig struct {
	sharedConfig
	drain        time.Duration
	http         http.Handler
	web          *web.Options // nil: off
	unknown      func(method string, stream ServerStream) error
	authenticate authenticator
	authScopes   map[string]authenticator // by service or path; nil: none
	compression  string
	errorText    bool
	base         context.Context
	handlePanic  func(ctx context.Context, call *Call, value any, stack []byte)
}

// defaultDrainTimeout is how long ListenAndServe waits for calls to end when its context has.
const defaultDrainTimeout = 30 * time.Second

// WithDrainTimeout sets how long ListenAndServe waits for calls to end when its context has ended.
// 0: the default, 30 s; negative: for ever.
func WithDrainTimeout(d time.Duration) ServerOption {
	return serverOption(func(c *serverConfig) {
		if c.drain = d; d == 0 {
			c.drain = defaultDrainTimeout
		}
	})
}

// WithHTTPHandler serves what is not gRPC on the same port: HTTP/2 requests of another content type
// on the server's own streams, and HTTP/1.1 connections. nil, the default: such requests are
// answered with 415.
func WithHTTPHandler(h http.Handler) ServerOption {
	return serverOption(func(c *serverConfig) { c.http = h })
}

// WithWeb serves gRPC-Web and Connect on the same port, over HTTP/2 and HTTP/1.1: browsers, fetch
// and curl call the services that gRPC clients call, with the same authenticator, interceptors,
// limits and deadlines. Pages of other origins are refused unless o allows them. Connect's JSON
// needs the codec: WithCodecs(encoding.JSON()). The paths of methods are these protocols' then:
// other HTTP methods are answered with 405 there. Without this option such requests are answered
// with 415, or go to the handler of WithHTTPHandler.
func WithWeb(o web.Options) ServerOption {
	return serverOption(func(c *serverConfig) {
		if err := o.Check(); err != nil {
			c.bad("WithWeb: %w", err)
			return
		}
		c.web = &o
	})
}

// WithUnknownServiceHandler runs h for calls of methods nobody registered, as a stream in both
// directions. method is the path as received; h's messages are encoding.RawMessage unless it knows
// their types. nil, the default: UNIMPLEMENTED.
func WithUnknownServiceHandler(h func(method string, stream ServerStream) error) ServerOption {
	return serverOption(func(c *serverConfig) { c.unknown = h })
}

// WithAuthenticator runs auth for each call when its header is complete and before a byte of its
// messages is decoded. What it returns is the handler's context; its error ends the call, with its
// status if it has one, otherwise with UNAUTHENTICATED and its text in the log alone. Interceptors
// run after it. WithAuthenticatorFor excepts services and methods.
func WithAuthenticator(auth func(ctx context.Context, call *Call) (context.Context, error)) ServerOption {
	return serverOption(func(c *serverConfig) { c.authenticate = auth })
}

// WithAuthenticatorFor is WithAuthenticator for the calls of one service ("package.Service") or one
// method ("/package.Service/method"), in place of what is set for all calls or for the method's
// service. A nil auth leaves these calls without authentication:
//
//	naru.WithAuthenticatorFor("grpc.health.v1.Health", nil) // probes have no credentials
//
// Methods that are not registered take the scope of their service.
func WithAuthenticatorFor(scope string, auth func(ctx context.Context, call *Call) (context.Context, error)) ServerOption {
	return serverOption(func(c *serverConfig) {
		if !validScope(scope) {
			c.bad("WithAuthenticatorFor(%q): want \"package.Service\" or \"/package.Service/method\"", scope)
			return
		}
		if c.authScopes == nil {
			c.authScopes = make(map[string]authenticator)
		}
		c.authScopes[scope] = auth
	})
}

// An authenticator is what WithAuthenticator sets; nil lets every call pass.
type authenticator = func(ctx context.Context, call *Call) (context.Context, error)

// authenticatorOf returns the authenticator for the path of a call.
func (c *serverConfig) authenticatorOf(path string) authenticator {
	if c.authScopes == nil {
		return c.authenticate
	}
	if auth, ok := c.authScopes[path]; ok {
		return auth
	}
	if auth, ok := c.authScopes[(&MethodInfo{FullMethod: path}).Service()]; ok {
		return auth
	}
	return c.authenticate
}

// WithErrorText sends clients the text of errors that handlers and interceptors return without a
// status, with code UNKNOWN, as grpc-go does. Without this option, and with false, such an error is
// logged, once in 10 s for each method, and clients read that the reason is in the server's log:
// its text was not written for them and may name hosts, files, queries or other users. Errors with
// a status are sent as they are in any case.
func WithErrorText(send bool) ServerOption {
	return serverOption(func(c *serverConfig) { c.errorText = send })
}

// WithBaseContext sets the context handlers' contexts take values from. Its end does not end them.
func WithBaseContext(ctx context.Context) ServerOption {
	return serverOption(func(c *serverConfig) { c.base = ctx })
}

// WithPanicHandler is told of panics in handlers and interceptors in place of the logger. The call
// ends with INTERNAL and a text that says nothing of value in any case.
func WithPanicHandler(h func(ctx context.Context, call *Call, value any, stack []byte)) ServerOption {
	return serverOption(func(c *serverConfig) { c.handlePanic = h })
}

func newServerConfig(opts []ServerOption) (*serverConfig, error) {
	c := &serverConfig{sharedConfig: defaultShared(), drain: defaultDrainTimeout}
	for i, o := range opts {
		if o == nil {
			c.bad("option %d is nil", i)
			continue
		}
		o.applyServer(c)
	}
	if c.tls.set && c.tls.files == nil && !hasCertificate(c.tls.config) {
		c.bad("WithTLS: a server needs a certificate (tls.Config Certificates, GetCertificate or GetConfigForClient)")
	}
	c.finish(true)
	if n := c.compression; n != "" && n != "identity" && c.registry != nil && c.registry.Compressor(n) == nil {
		c.bad("WithCompression(%s): no such compressor; want one of %s", brief.Quote(n), c.compressorNames())
	}
	return c, c.joined("server")
}
