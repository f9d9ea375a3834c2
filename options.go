package naru

import (
	"crypto/tls"
	"log/slog"
	"net/http"
	"time"

	"github.com/naru-rpc/naru/metadata"
)

// A ServerOption configures a Server, a ClientOption a Client, a CallOption one call.
// An Option is for both ends.
type (
	ServerOption interface{ applyServer(*serverConfig) }
	ClientOption interface{ applyClient(*clientConfig) }
	CallOption   interface{ applyCall(*callConfig) }
	Option       interface {
		ServerOption
		ClientOption
	}
)

type (
	serverConfig struct{}
	clientConfig struct{}
	callConfig   struct{}
)

// Both ends (Option).
func WithTLS(*tls.Config) Option                           { panic("BUG: skeleton") } // server: certificate; client: roots, nil = system
func WithInterceptors(...Interceptor) Option               { panic("BUG: skeleton") }
func WithLogger(*slog.Logger) Option                       { panic("BUG: skeleton") }
func WithMaxReceiveMessageSize(bytes int) Option           { panic("BUG: skeleton") } // 0 = default 4 MiB, < 0 = unlimited
func WithMaxSendMessageSize(bytes int) Option              { panic("BUG: skeleton") }
func WithKeepalive(interval, timeout time.Duration) Option { panic("BUG: skeleton") }

// Server.
func WithMaxConcurrentStreams(n int) ServerOption { panic("BUG: skeleton") }
func WithHTTPHandler(h http.Handler) ServerOption { panic("BUG: skeleton") }
func WithUnknownServiceHandler(h func(method string, stream ServerStream) error) ServerOption {
	panic("BUG: skeleton")
}

// Client.
func WithPlaintext() ClientOption                            { panic("BUG: skeleton") } // prior-knowledge HTTP/2 without TLS
func WithAuthority(a string) ClientOption                    { panic("BUG: skeleton") }
func WithDefaultCallOptions(opts ...CallOption) ClientOption { panic("BUG: skeleton") }
func WithUserAgent(prefix string) ClientOption               { panic("BUG: skeleton") }

// Calls.
func WithHeader(md *metadata.MD) CallOption  { panic("BUG: skeleton") } // receives the response header
func WithTrailer(md *metadata.MD) CallOption { panic("BUG: skeleton") } // receives the trailer
func WithMetadata(kv ...string) CallOption   { panic("BUG: skeleton") } // request metadata, pairs
func WithTimeout(d time.Duration) CallOption { panic("BUG: skeleton") } // 0 = none; the earlier of it and ctx's deadline holds
func WithCompression(name string) CallOption { panic("BUG: skeleton") } // "gzip", "zstd", "" = identity
func WithCodec(name string) CallOption       { panic("BUG: skeleton") } // "proto" (default), "json", "raw"
func WaitForReady(wait bool) CallOption      { panic("BUG: skeleton") }
