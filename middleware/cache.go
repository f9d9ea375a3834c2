package middleware

import (
	"context"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/metadata"
)

// CacheConfig says what is kept, and for how long.
type CacheConfig struct {
	// TTL is how long a response may be used. 0 or negative: one minute.
	TTL time.Duration
	// MaxBytes bounds the sum of the encoded requests and responses that are kept. 0 or negative:
	// 16 MiB.
	MaxBytes int64
	// MaxEntryBytes bounds one request with its response. 0 or negative: a sixteenth of MaxBytes.
	MaxEntryBytes int64
	// MaxEntries bounds their number. 0 or negative: 10,000.
	MaxEntries int
	// Methods are the paths ("/package.Service/method") whose responses are kept; nil: unary
	// methods that their .proto file declares with idempotency_level = NO_SIDE_EFFECTS. Other kinds
	// are never kept.
	Methods []string
	// Vary are metadata keys on which responses depend, such as "accept-language". A response is
	// used again only for requests with the same values.
	//
	// Requests that carry credentials ("authorization", "cookie") are neither answered from the
	// cache nor kept, unless their key is in Vary.
	Vary []string
}

// Cache returns an interceptor that keeps the responses of methods without side effects, and
// answers the same requests with them. On a client it saves the call, on a server the handler. Only
// OK responses are kept, without their header and trailer; those whose header has "cache-control"
// with "no-store" are not. The least recently used ones make room for others.
//
// On a client per-call credentials (naru.WithCredentials) are not seen: use one interceptor for
// each client whose responses depend on who asks.
func Cache(c CacheConfig) naru.Interceptor {
	if c.TTL <= 0 {
		c.TTL = time.Minute
	}
	if c.MaxBytes <= 0 {
		c.MaxBytes = 16 << 20
	}
	if c.MaxEntryBytes <= 0 {
		c.MaxEntryBytes = c.MaxBytes / 16
	}
	if c.MaxEntries <= 0 {
		c.MaxEntries = 10_000
	}
	c.Vary = slices.Clone(c.Vary)
	for i, k := range c.Vary {
		c.Vary[i] = strings.ToLower(k)
	}
	slices.Sort(c.Vary)
	store := newStore(c.MaxBytes, c.MaxEntries)
	return func(ctx context.Context, call *naru.Call, next func(context.Context) error) error {
		if !c.covers(call.Method()) {
			return next(ctx)
		}
		key, ok, err := c.key(ctx, call)
		if err != nil {
			return err
		}
		if !ok || int64(len(key)) > c.MaxEntryBytes {
			return next(ctx)
		}
		if m := store.get(key, time.Now()); m != nil {
			return call.SetResponse(m)
		}
		if err := next(ctx); err != nil {
			return err
		}
		res, ok := call.Response().(proto.Message)
		if !ok || noStore(call.ResponseHeader()) {
			return nil
		}
		if size := int64(len(key) + proto.Size(res)); size <= c.MaxEntryBytes {
			store.put(key, proto.Clone(res), size, time.Now().Add(c.TTL))
		}
		return nil
	}
}

func (c *CacheConfig) covers(m *naru.MethodInfo) bool {
	if m.Kind != naru.KindUnary {
		return false
	}
	if c.Methods != nil {
		return slices.Contains(c.Methods, m.FullMethod)
	}
	return m.Idempotency == naru.NoSideEffects
}

// key is what makes requests the same. ok is false if the response must not be shared.
func (c *CacheConfig) key(ctx context.Context, call *naru.Call) (key string, ok bool, err error) {
	req, err := call.Request()
	if err != nil {
		return "", false, err
	}
	m, ok := req.(proto.Message)
	if !ok {
		return "", false, nil
	}
	md := call.RequestHeader(ctx)
	for _, secret := range []string{"authorization", "cookie", "proxy-authorization"} {
		if len(md[secret]) > 0 && !slices.Contains(c.Vary, secret) {
			return "", false, nil
		}
	}
	b := append([]byte(call.Method().FullMethod), 0)
	for _, k := range c.Vary {
		for _, v := range md[k] {
			b = append(append(append(append(b, k...), 0), v...), 1)
		}
	}
	if b, err = (proto.MarshalOptions{Deterministic: true}).MarshalAppend(append(b, 0), m); err != nil {
		return "", false, nil // next says what is wrong with it
	}
	return string(b), true, nil
}

func noStore(md metadata.MD) bool {
	return slices.ContainsFunc(md["cache-control"], func(v string) bool {
		return strings.Contains(strings.ToLower(v), "no-store")
	})
}
