package auth_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/auth"
	"github.com/naru-rpc/naru/auth/policy"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/contrib/auth/jwt"
	"github.com/naru-rpc/naru/contrib/auth/oauth"
	"github.com/naru-rpc/naru/contrib/auth/password"
	"github.com/naru-rpc/naru/credentials"
	"github.com/naru-rpc/naru/credentials/devcert"
	"github.com/naru-rpc/naru/encoding"
	"github.com/naru-rpc/naru/narutest"
	"github.com/naru-rpc/naru/status"
	"github.com/naru-rpc/naru/stub"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/oauth2/clientcredentials"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func TestMain(m *testing.M) { narutest.VerifyTestMain(m) }

type text = wrapperspb.StringValue

const issuer = "https://issuer.example"

// issuerKey signs the tokens of the matrix, the forged ones excepted.
var issuerKey, forgedKey = newKey(), newKey()

func newKey() ed25519.PrivateKey {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

// sign makes a token of the issuer.
func sign(key ed25519.PrivateKey, subject string, expires time.Duration) string {
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: key}, nil)
	if err != nil {
		panic(err)
	}
	now := time.Now()
	claims, _ := json.Marshal(map[string]any{"iss": issuer, "sub": subject, "aud": "shop", "exp": now.Add(expires).Unix(), "iat": now.Add(-2 * time.Hour).Unix()})
	sig, err := s.Sign(claims)
	if err != nil {
		panic(err)
	}
	token, err := sig.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return token
}

// tokenEndpoint is an OAuth server's: it gives client credentials a token of the issuer.
func tokenEndpoint(t *testing.T) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, secret, _ := r.BasicAuth()
		if secret != "secret" {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error": "invalid_client"}`)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token": %q, "token_type": "Bearer", "expires_in": 3600}`, sign(issuerKey, id, time.Hour))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// counting counts the messages that are decoded.
type counting struct {
	encoding.Codec
	decoded *atomic.Int32
}

func (c counting) Unmarshal(data []byte, m any) error {
	c.decoded.Add(1)
	return c.Codec.Unmarshal(data, m)
}

// method is one of the four kinds: it calls and returns the error.
type method struct {
	kind naru.Kind
	call func(ctx context.Context, c *naru.Client, opts ...naru.CallOption) error
}

func methods() []method {
	info := func(name string, kind naru.Kind) *naru.MethodInfo {
		return &naru.MethodInfo{FullMethod: "/test.Shop/" + name, Kind: kind}
	}
	stream := func(info *naru.MethodInfo) func(context.Context, *naru.Client, ...naru.CallOption) error {
		return func(ctx context.Context, c *naru.Client, opts ...naru.CallOption) error {
			s, err := c.NewStream(ctx, info, opts...)
			if err != nil {
				return err
			}
			s.SendMsg(wrapperspb.String("x"))
			s.CloseSend()
			return s.RecvMsg(new(text))
		}
	}
	unary := info("Unary", naru.KindUnary)
	return []method{
		{naru.KindUnary, func(ctx context.Context, c *naru.Client, opts ...naru.CallOption) error {
			return c.Invoke(ctx, unary, wrapperspb.String("x"), new(text), opts...)
		}},
		{naru.KindServerStream, stream(info("Server", naru.KindServerStream))},
		{naru.KindClientStream, stream(info("Client", naru.KindClientStream))},
		{naru.KindBidi, stream(info("Bidi", naru.KindBidi))},
	}
}

// register adds the four methods.
func register(s *naru.Server) {
	info := func(name string, kind naru.Kind) *naru.MethodInfo {
		return &naru.MethodInfo{FullMethod: "/test.Shop/" + name, Kind: kind}
	}
	s.RegisterService(&naru.ServiceDesc{Name: "test.Shop", Methods: []naru.MethodDesc{
		stub.UnaryHandler(info("Unary", naru.KindUnary), func(_ context.Context, m *text) (*text, error) { return m, nil }),
		stub.ServerStreamHandler(info("Server", naru.KindServerStream), func(m *text, s naru.ServerStreamingServer[text]) error { return s.Send(m) }),
		stub.ClientStreamHandler(info("Client", naru.KindClientStream), func(s naru.ClientStreamingServer[text, text]) error {
			m, err := s.Recv()
			if err != nil {
				return err
			}
			return s.SendAndClose(m)
		}),
		stub.BidiStreamHandler(info("Bidi", naru.KindBidi), func(s naru.BidiStreamingServer[text, text]) error {
			m, err := s.Recv()
			if err != nil {
				return err
			}
			return s.Send(m)
		}),
	}})
}

// shown is what a client shows, and what the server is to make of it.
type shown struct {
	name  string
	creds credentials.PerRPC // nil: none
	want  codes.Code
	local bool // the call fails at the client: nothing reaches the server
}

// cases returns right, wrong, expired and missing credentials of each kind. Alone, "mallory" is
// refused by the policy.
func cases(t *testing.T, secure bool) []shown {
	must := func(c credentials.PerRPC, err error) credentials.PerRPC {
		if err != nil {
			t.Fatal(err)
		}
		if !secure {
			return credentials.AllowPlaintext(c)
		}
		return c
	}
	endpoint := tokenEndpoint(t)
	client := func(id, secret string) credentials.PerRPC {
		return must(oauth.ClientCredentials(clientcredentials.Config{ClientID: id, ClientSecret: secret, TokenURL: endpoint}), nil)
	}
	return []shown{
		{"basic/right", must(credentials.Basic("ada", "secret")), codes.OK, false},
		{"basic/wrong", must(credentials.Basic("ada", "guess")), codes.Unauthenticated, false},
		{"basic/unknown", must(credentials.Basic("eve", "secret")), codes.Unauthenticated, false},
		{"basic/not allowed", must(credentials.Basic("mallory", "secret")), codes.PermissionDenied, false},
		{"bearer/right", must(credentials.Bearer("t0ken")), codes.OK, false},
		{"bearer/wrong", must(credentials.Bearer("guess")), codes.Unauthenticated, false},
		{"jwt/right", must(credentials.Bearer(sign(issuerKey, "ada", time.Hour))), codes.OK, false},
		{"jwt/wrong", must(credentials.Bearer(sign(forgedKey, "ada", time.Hour))), codes.Unauthenticated, false},
		{"jwt/expired", must(credentials.Bearer(sign(issuerKey, "ada", -time.Hour))), codes.Unauthenticated, false},
		{"jwt/not allowed", must(credentials.Bearer(sign(issuerKey, "mallory", time.Hour))), codes.PermissionDenied, false},
		{"oauth/right", client("robot", "secret"), codes.OK, false},
		{"oauth/wrong", client("robot", "guess"), codes.Unauthenticated, true},
		{"oauth/not allowed", client("mallory", "secret"), codes.PermissionDenied, false},
	}
}

// authenticator is what the server of the matrix runs: all verifiers side by side, and a policy
// behind them.
func authenticator(t *testing.T) naru.ServerOption {
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), 10)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(file, fmt.Appendf(nil, "ada:%s\nmallory:%s\n", hash, hash), 0o600); err != nil {
		t.Fatal(err)
	}
	users, err := password.Open(file, password.Config{})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := jwt.Static(issuerKey.Public())
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := jwt.NewVerifier(jwt.Config{Issuer: issuer, Audiences: []string{"shop"}, Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	rules, err := policy.New(&policy.Policy{
		Name:  "matrix",
		Deny:  []policy.Rule{{Name: "mallory", Source: policy.Source{Principals: []string{"mallory"}}}},
		Allow: []policy.Rule{{Name: "known", Source: policy.Source{Principals: []string{"*"}}}},
	}, policy.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return naru.WithAuthenticator(rules.Enforce(auth.Require(
		auth.Cached(tokens, auth.CacheConfig{}),
		auth.StaticTokens(map[string]*auth.Caller{"t0ken": {Scheme: "bearer", Subject: "robot"}}),
		auth.Cached(auth.Basic(users.Check), auth.CacheConfig{}),
		auth.ClientCertificate(),
	)))
}

// TestMatrix: transports, credentials and kinds of call in every combination. What is refused is
// refused in trailers, with the right code, before a message is decoded.
func TestMatrix(t *testing.T) {
	ca, err := devcert.NewAuthority("test", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	server, err := ca.Issue(devcert.Request{Hosts: []string{"narutest"}})
	if err != nil {
		t.Fatal(err)
	}
	pod, err := ca.Issue(devcert.Request{Name: "pod", Hosts: []string{"pod.example"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, transport := range []struct {
		name   string
		server *tls.Config
		client *tls.Config
		none   codes.Code // without credentials
	}{
		{"plaintext", nil, nil, codes.Unauthenticated},
		{"tls", server.ServerConfig(), ca.ClientConfig(), codes.Unauthenticated},
		{"mtls", server.MutualConfig(ca), ca.ClientConfig(pod), codes.OK},
	} {
		t.Run(transport.name, func(t *testing.T) {
			var decoded atomic.Int32
			opts := []naru.ServerOption{authenticator(t), naru.WithCodecs(counting{encoding.Proto(), &decoded})}
			var clientOpts []naru.ClientOption
			if transport.server != nil {
				opts = append(opts, naru.WithTLS(transport.server))
				clientOpts = append(clientOpts, naru.WithTLS(transport.client))
			}
			c := narutest.NewServer(t, register, opts...).Client(clientOpts...)
			all := append(cases(t, transport.server != nil), shown{name: "none", want: transport.none})
			for _, s := range all {
				for _, m := range methods() {
					check(t, c, s, m, &decoded)
				}
			}
		})
	}
}

func check(t *testing.T, c *naru.Client, s shown, m method, decoded *atomic.Int32) {
	t.Helper()
	var call []naru.CallOption
	if s.creds != nil {
		call = append(call, naru.WithCredentials(s.creds))
	}
	before := decoded.Load()
	err := m.call(t.Context(), c, call...)
	if status.Code(err) != s.want {
		t.Errorf("%s, %v: %v, want %v", s.name, m.kind, err, s.want)
	}
	if n := decoded.Load() - before; (n > 0) != (s.want == codes.OK) {
		t.Errorf("%s, %v: %d messages were decoded", s.name, m.kind, n)
	}
	if s.local && !strings.Contains(fmt.Sprint(err), "no token from") {
		t.Errorf("%s, %v: %v, want the client's error", s.name, m.kind, err)
	}
}
