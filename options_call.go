package naru

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/naru-rpc/naru/credentials"
	"github.com/naru-rpc/naru/internal/brief"
	"github.com/naru-rpc/naru/internal/call/client"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/limits"
	"github.com/naru-rpc/naru/metadata"
)

// callConfig is what CallOptions set.
type callConfig struct {
	client.Settings
	errs []error // mistakes, which the call returns
}

func (c *callConfig) bad(format string, args ...any) {
	// Not in the array of the client's defaults, which many calls copy.
	c.errs = append(slices.Clip(c.errs), fmt.Errorf(format, args...))
}

// complete fills in what the client's options say.
func (c *callConfig) complete(shared *sharedConfig) {
	c.CompressMinBytes = shared.compressMin
	c.MaxReceiveBytes, c.MaxSendBytes = receiveBytes(shared.bounds), sendBytes(shared.bounds)
	c.limit(limits.Limits{MaxRetryDelay: shared.bounds.MaxRetryDelay})
}

// limit sets the limits that are not zero.
func (c *callConfig) limit(l limits.Limits) {
	if l.MaxReceiveMessageSize != 0 {
		c.MaxReceiveBytes = l.MaxReceiveMessageSize
	}
	if l.MaxSendMessageSize != 0 {
		c.MaxSendBytes = l.MaxSendMessageSize
	}
	if d := l.MaxRetryDelay; d != 0 {
		if c.MaxRetryDelay = d; d < 0 {
			c.MaxRetryDelay = forever
		}
	}
}

// check collects the mistakes of call options that were given to the client.
func (c *callConfig) check(shared *sharedConfig) {
	for _, err := range c.errs {
		shared.bad("%w", err)
	}
	if shared.registry == nil {
		return // a mistake of its own
	}
	if n := c.Compression; n != "" && shared.registry.Compressor(n) == nil {
		shared.bad("WithCompression(%s): no such compressor; want one of %s", brief.Quote(n), shared.compressorNames())
	}
	if n := c.Subtype; shared.registry.Codec(n) == nil {
		shared.bad("WithCodec(%s): no such codec (WithCodecs)", brief.Quote(n))
	}
}

// ofOneCall is an option whose result would be that of many calls if a client had it.
func ofOneCall(name string, f func(*callConfig)) CallOption {
	return callOrClientOption{func(c *clientConfig) { c.bad("%s is for single calls, not for a client", name) }, f}
}

// CaptureHeader stores the response's header in *md when a unary call has ended, however it did.
// For streams, use the stream's Header.
func CaptureHeader(md *metadata.MD) CallOption {
	return ofOneCall("CaptureHeader", func(c *callConfig) { c.Header = md })
}

// CaptureTrailer stores the response's trailer in *md when a unary call has ended, however it did.
// For streams, use the stream's Trailer.
func CaptureTrailer(md *metadata.MD) CallOption {
	return ofOneCall("CaptureTrailer", func(c *callConfig) { c.Trailer = md })
}

// CapturePeer stores in *p to whom the call went, when an attempt of it has been sent.
func CapturePeer(p *Peer) CallOption {
	return ofOneCall("CapturePeer", func(c *callConfig) {
		c.OnPeer = func(info *transport.ConnInfo, _ int) { *p = peerOf(info) }
	})
}

// WithMetadata sends pairs of keys and values with the call, besides those of the context and of
// other options. Keys and values that may not be sent end the call with INTERNAL, before
// anything of it is sent.
func WithMetadata(kv ...string) CallOption {
	return callOption(func(c *callConfig) {
		if len(kv)%2 == 1 {
			c.bad("WithMetadata: key %q has no value", kv[len(kv)-1])
			return
		}
		own := slices.Clip(c.Metadata)
		for i := 0; i < len(kv); i += 2 {
			own = append(own, lowerASCII(kv[i]), kv[i+1])
		}
		c.Metadata = own
	})
}

// lowerASCII lowers as HTTP does: letters of other alphabets stay, and are refused later.
func lowerASCII(s string) string {
	for i := 0; i < len(s); i++ {
		if 'A' <= s[i] && s[i] <= 'Z' {
			b := []byte(s)
			for j, c := range b {
				if 'A' <= c && c <= 'Z' {
					b[j] = c + 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}

// WithTimeout ends the call with DEADLINE_EXCEEDED after this time; for a stream that is its whole
// life. The earliest of it, the context's deadline and the service config's timeout holds. 0: none.
// Negative is a mistake.
func WithTimeout(d time.Duration) CallOption {
	return callOption(func(c *callConfig) {
		if d < 0 {
			c.bad("WithTimeout(%v): want 0 or more", d)
			return
		}
		c.Timeout = d
	})
}

// WithCompression sends messages compressed: "gzip", "zstd", or another compressor of the client or
// server. "identity" sends them as they are. "" means the default: for a client and its calls
// "identity", for a server the compressor of the request, if it had one. A server uses it only for
// clients that accept it. See WithCompressionThreshold.
func WithCompression(name string) CommonOption {
	ofCall := func(c *callConfig) {
		if c.Compression = name; name == "identity" {
			c.Compression = ""
		}
	}
	return commonOption{
		serverOption: func(c *serverConfig) { c.compression = name },
		client:       func(c *clientConfig) { ofCall(&c.call) },
		call:         ofCall,
	}
}

// WithCodec sends and receives messages in this codec: "proto" (the default), "raw", or another
// of the client's.
func WithCodec(name string) CallOption {
	return callOption(func(c *callConfig) {
		if c.Subtype = name; name == "proto" {
			c.Subtype = ""
		}
	})
}

// WaitForReady makes the call wait until there is a connection, as long as its deadline allows,
// where it would otherwise end with UNAVAILABLE when connecting fails.
func WaitForReady(wait bool) CallOption {
	return callOption(func(c *callConfig) { c.WaitForReady = &wait })
}

// WithCredentials adds credentials to the call: several add up.
func WithCredentials(creds ...credentials.PerRPC) CallOption {
	return callOption(func(c *callConfig) {
		for i, cred := range creds {
			if cred == nil {
				c.bad("WithCredentials: number %d is nil", i)
				return
			}
		}
		c.Credentials = append(slices.Clip(c.Credentials), creds...)
	})
}

// WithAuthority sets the :authority of calls, a host name with a port if need be, in place of what
// follows from the target. "" means the default.
//
// For a client it is also the name that the server's certificate must have, with TLS. For a call,
// whose default is the client's, the server's certificate must be valid for the host too, whatever
// the connection was verified for; otherwise the call ends with UNAVAILABLE before anything is
// sent. In plaintext and in-process it is sent as it is. RFC 9113 §8.3.1.
func WithAuthority(authority string) CallOption {
	err := checkAuthority(authority)
	return callOrClientOption{func(c *clientConfig) {
		if err != nil {
			c.errs = append(c.errs, err)
		}
		c.authority = authority
	}, func(c *callConfig) {
		if err != nil {
			c.bad("%w", err)
		}
		c.Authority = authority
	}}
}

func checkAuthority(authority string) error {
	for i := range len(authority) {
		if b := authority[i]; b <= ' ' || b >= 0x7f || strings.IndexByte("/\\@?#", b) >= 0 {
			return fmt.Errorf("WithAuthority(%q): the byte %q is not allowed in an authority", authority, b)
		}
	}
	return nil
}
