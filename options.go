package naru

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/naru-rpc/naru/encoding"
	"github.com/naru-rpc/naru/internal/transport/http2"
	"github.com/naru-rpc/naru/limits"
	"github.com/naru-rpc/naru/stats"
)

// Options are applied in order; where one says what another said before, the later one wins, unless
// its documentation says that they add up. Mistakes are collected: NewServer and NewClient return
// one error that names them all, and a call ends with one that names its own.
type (
	// ServerOption configures a Server.
	ServerOption interface{ applyServer(*serverConfig) }
	// ClientOption configures a Client.
	ClientOption interface{ applyClient(*clientConfig) }
	// CallOption configures one call, or, given to NewClient or InProcess, all calls of a client
	// that do not say otherwise.
	CallOption interface {
		ClientOption
		applyCall(*callConfig)
	}
	// Option configures a Server or a Client.
	Option interface {
		ServerOption
		ClientOption
	}
	// CommonOption configures a Server, a Client or one call.
	CommonOption interface {
		ServerOption
		CallOption
	}
)

type (
	serverOption func(*serverConfig)
	clientOption func(*clientConfig)
	callOption   func(*callConfig)
	option       struct{ shared func(*sharedConfig) }

	// commonOption has a function for each of the three.
	commonOption struct {
		serverOption
		client clientOption
		call   func(*callConfig)
	}
	// callOrClientOption is a call option that means something else to a client.
	callOrClientOption struct {
		clientOption
		call func(*callConfig)
	}
)

func (o serverOption) applyServer(c *serverConfig)   { o(c) }
func (o clientOption) applyClient(c *clientConfig)   { o(c) }
func (o callOption) applyCall(c *callConfig)         { o(c) }
func (o callOption) applyClient(c *clientConfig)     { o(&c.call) }
func (o option) applyServer(c *serverConfig)         { o.shared(&c.sharedConfig) }
func (o option) applyClient(c *clientConfig)         { o.shared(&c.sharedConfig) }
func (o commonOption) applyClient(c *clientConfig)   { o.client(c) }
func (o commonOption) applyCall(c *callConfig)       { o.call(c) }
func (o callOrClientOption) applyCall(c *callConfig) { o.call(c) }

// JoinOptions returns an option that applies opts in order: for packages that offer several options
// as one.
func JoinOptions(opts ...Option) Option { return joinedOptions(opts) }

type joinedOptions []Option

func (j joinedOptions) applyServer(c *serverConfig) {
	for i, o := range j {
		if o == nil {
			c.bad("JoinOptions: option %d is nil", i)
			continue
		}
		o.applyServer(c)
	}
}

func (j joinedOptions) applyClient(c *clientConfig) {
	for i, o := range j {
		if o == nil {
			c.bad("JoinOptions: option %d is nil", i)
			continue
		}
		o.applyClient(c)
	}
}

// defaultCompressMinBytes: below this a compressed message is hardly ever smaller than a packet
// less.
const defaultCompressMinBytes = 512

// sharedConfig is what Options set.
type sharedConfig struct {
	errs         []error
	tls          tlsChoice
	tlsFunc      func() *tls.Config // a client's, asked for each connection; nil: tls says it
	interceptors []scopedInterceptor
	stats        []stats.Handler
	logger       *slog.Logger
	notices      *slog.Logger  // the logger if one was set, for what is no fault of this side's
	bounds       limits.Limits // as the options say
	scoped       []scopedLimits
	keepalive    Keepalive
	codecs       []encoding.Codec
	compressors  []encoding.Compressor
	compressMin  int
	codecLookup  func(subtype string) encoding.Codec
	registry     *encoding.Registry
	limits       http2.Limits // compiled from bounds by finishLimits
}

func defaultShared() sharedConfig {
	return sharedConfig{
		compressMin: defaultCompressMinBytes,
		codecs:      []encoding.Codec{encoding.Proto(), encoding.Raw()},
		compressors: []encoding.Compressor{encoding.Gzip(), encoding.Zstd()},
	}
}

func (c *sharedConfig) bad(format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf(format, args...))
}

// finish fills in what needs all options.
func (c *sharedConfig) finish(server bool) {
	c.notices = c.logger
	switch {
	case c.logger != nil:
	case server:
		c.logger = slog.New(errorsOnly{slog.Default().Handler()})
	default:
		c.logger = slog.New(slog.DiscardHandler) // a client's calls return what went wrong
	}
	c.readTLSFiles(server)
	registry, err := encoding.NewRegistry(c.codecs, c.compressors)
	if err != nil {
		c.errs = append(c.errs, err)
	}
	if c.registry = registry; registry != nil && c.codecLookup != nil {
		c.registry = registry.WithLookup(c.codecLookup)
	}
	c.finishLimits(server)
}

// compressorNames lists what options that name a compressor may say.
func (c *sharedConfig) compressorNames() string {
	var names []string
	for _, compressor := range c.compressors {
		if compressor != nil {
			names = append(names, strconv.Quote(compressor.Name()))
		}
	}
	if names == nil {
		return `"" alone: there are none (WithCompressors)`
	}
	return strings.Join(names, ", ") + " (WithCompressors)"
}

// joined returns every mistake as one error, a line each.
func (c *sharedConfig) joined(what string) error {
	for i, err := range c.errs {
		c.errs[i] = fmt.Errorf("naru: new %s: %w", what, err)
	}
	return errors.Join(c.errs...)
}

// WithLogger sets where a server or client reports what it cannot return to a caller: panics of
// handlers, failed accepts, lost connections. A client logs failed connections and name resolution
// at level INFO, at most 10 lines of a reason at once and one more each 10 s, and state changes at
// DEBUG. nil, and without this option: a server logs to slog.Default() at level ERROR alone, which
// is panics of handlers, errors of theirs whose text clients are not sent (WithErrorText), and
// services registered too late, and a client logs nothing, as its calls return what went wrong.
func WithLogger(l *slog.Logger) Option {
	return option{func(c *sharedConfig) { c.logger = l }}
}

// WithCodecs adds codecs to those that are built in, "proto" and "raw"; encoding.JSON() is one to
// add. One with the name of another replaces it.
func WithCodecs(codecs ...encoding.Codec) Option {
	return option{func(c *sharedConfig) {
		for _, codec := range codecs {
			if codec == nil {
				c.bad("WithCodecs: nil")
				continue
			}
			c.codecs = replaceOrAdd(c.codecs, codec, encoding.Codec.Name)
		}
	}}
}

// WithCodecLookup asks lookup for the codecs of content subtypes that no codec of the server or
// client is for: where the set of codecs is not known when it is made. lookup returns nil for
// subtypes it has none for, with which calls end with UNIMPLEMENTED on a server and with INTERNAL
// on a client. See encoding.Registry.WithLookup. nil: none, the default.
func WithCodecLookup(lookup func(subtype string) encoding.Codec) Option {
	return option{func(c *sharedConfig) { c.codecLookup = lookup }}
}

// WithCompressors sets the compressors that messages may be received in and sent with, in the order
// they are advertised. Without this option: gzip and zstd. None: no compression.
func WithCompressors(compressors ...encoding.Compressor) Option {
	return option{func(c *sharedConfig) { c.compressors = compressors }}
}

// WithCompressionThreshold sets the size in bytes from which messages are compressed when the call
// uses compression. 0: all; negative is a mistake. Without this option: 512.
func WithCompressionThreshold(bytes int) Option {
	return option{func(c *sharedConfig) {
		if bytes < 0 {
			c.bad("WithCompressionThreshold(%d): want 0 or more", bytes)
			return
		}
		c.compressMin = bytes
	}}
}

func replaceOrAdd[T any](list []T, item T, name func(T) string) []T {
	for i := range list {
		if name(list[i]) == name(item) {
			list[i] = item
			return list
		}
	}
	return append(list, item)
}

// errorsOnly is the handler of a server without a logger: a program that did not ask for lines gets
// those that say that it is broken.
type errorsOnly struct{ slog.Handler }

// Enabled implements slog.Handler.
func (h errorsOnly) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelError && h.Handler.Enabled(ctx, level)
}

// WithAttrs implements slog.Handler.
func (h errorsOnly) WithAttrs(attrs []slog.Attr) slog.Handler {
	return errorsOnly{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h errorsOnly) WithGroup(name string) slog.Handler { return errorsOnly{h.Handler.WithGroup(name)} }
