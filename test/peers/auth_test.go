package peers

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"slices"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/auth"
	"github.com/naru-rpc/naru/contrib/auth/jwt"
	ncredentials "github.com/naru-rpc/naru/credentials"
	nhealth "github.com/naru-rpc/naru/health"
	"golang.org/x/oauth2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/oauth"
	"google.golang.org/grpc/health"
	healthgrpc "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// goBasic is a PerRPCCredentials of grpc-go as programs write them.
type goBasic struct{ header string }

func (g goBasic) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": g.header}, nil
}

func (goBasic) RequireTransportSecurity() bool { return true }

// serveVerified starts a naru server with a health service that verifies certificates, tokens and
// passwords side by side, and returns its address.
func serveVerified(t *testing.T, f *tlsFiles, tokens auth.Verifier) string {
	t.Helper()
	f.server.CA, f.server.OptionalClientCert = f.ca, true
	srv, err := naru.NewServer(naru.WithTLSFiles(f.server), naru.WithAuthenticator(auth.Require(
		auth.ClientCertificate(), auth.Cached(tokens, auth.CacheConfig{}),
		auth.Basic(func(_ context.Context, user, password string) (*auth.Caller, error) {
			if user != "ada" || password != "secret" {
				return nil, auth.ErrWrongPassword
			}
			return &auth.Caller{Scheme: "basic", Subject: user}, nil
		}),
	)))
	if err != nil {
		t.Fatal(err)
	}
	nhealth.Register(srv, nhealth.NewServer())
	lis := listenLocal(t)
	ended := make(chan struct{})
	go func() { defer close(ended); _ = srv.Serve(lis) }()
	t.Cleanup(func() { srv.Close(); <-ended })
	return lis.Addr().String()
}

// TestGRPCGoClientShowsCredentials: a naru server verifies what grpc-go's clients send -
// certificates, oauth tokens, credentials of their own - and refuses with the same codes and the
// trailer that says what it accepts.
func TestGRPCGoClientShowsCredentials(t *testing.T) {
	f := newTLSFiles(t)
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := jwt.Static(public)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := jwt.NewVerifier(jwt.Config{Issuer: "issuer", Audiences: []string{"shop"}, Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	signed := func(key ed25519.PrivateKey) string {
		c, err := jwt.NewSigner(jwt.SignerConfig{Key: key, Algorithm: "EdDSA", Issuer: "issuer", Audience: "shop"})
		if err != nil {
			t.Fatal(err)
		}
		pairs, err := c.GetRequestMetadata(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return pairs["authorization"][len("Bearer "):]
	}
	_, other, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	addr := serveVerified(t, f, tokens)

	token := func(s string) credentials.PerRPCCredentials {
		return oauth.TokenSource{TokenSource: oauth2.StaticTokenSource(&oauth2.Token{AccessToken: s})}
	}
	for name, c := range map[string]struct {
		creds credentials.PerRPCCredentials
		cert  bool
		want  codes.Code
	}{
		"nothing": {nil, false, codes.Unauthenticated}, "certificate": {nil, true, codes.OK},
		"oauth": {token(signed(private)), false, codes.OK}, "forged": {token(signed(other)), false, codes.Unauthenticated},
		"forged over a good connection": {token(signed(other)), true, codes.Unauthenticated},
		"basic":                         {goBasic{"Basic YWRhOnNlY3JldA=="}, false, codes.OK},
		"wrong":                         {goBasic{"Basic YWRhOmd1ZXNz"}, false, codes.Unauthenticated},
	} {
		cfg := &tls.Config{RootCAs: f.pool}
		if c.cert {
			cfg.Certificates = pair509(t, f.client)
		}
		opts := []grpc.DialOption{grpc.WithTransportCredentials(credentials.NewTLS(cfg))}
		if c.creds != nil {
			opts = append(opts, grpc.WithPerRPCCredentials(c.creds))
		}
		conn, err := grpc.NewClient(addr, opts...)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		var trailer metadata.MD
		_, err = healthgrpc.NewHealthClient(conn).Check(ctx, &healthgrpc.HealthCheckRequest{}, grpc.Trailer(&trailer))
		if status.Code(err) != c.want {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if c.want == codes.Unauthenticated && !slices.Contains(trailer["www-authenticate"], `Bearer realm="grpc"`) {
			t.Errorf("%s: trailer %v", name, trailer)
		}
		cancel()
		conn.Close()
	}
}

// TestGRPCGoServerSeesCredentials: grpc-go's servers find what naru's credentials send where they
// find grpc-go's.
func TestGRPCGoServerSeesCredentials(t *testing.T) {
	f := newTLSFiles(t)
	want := ""
	srv := grpc.NewServer(
		grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: pair509(t, f.server)})),
		grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
			md, _ := metadata.FromIncomingContext(ctx)
			if got := md.Get("authorization"); len(got) != 1 || got[0] != want {
				return nil, status.Errorf(codes.Unauthenticated, "authorization is %q, want %q", got, want)
			}
			return h(ctx, req)
		}))
	healthgrpc.RegisterHealthServer(srv, health.NewServer())
	lis := listenLocal(t)
	ended := make(chan struct{})
	go func() { defer close(ended); _ = srv.Serve(lis) }()
	t.Cleanup(func() { srv.Stop(); <-ended })

	basic, err := ncredentials.Basic("ada", "secret")
	if err != nil {
		t.Fatal(err)
	}
	bearer, err := ncredentials.Bearer("t0ken")
	if err != nil {
		t.Fatal(err)
	}
	kept := ncredentials.NewTokens("test", func(context.Context) (ncredentials.Token, error) {
		return ncredentials.Token{Value: "kept", Expiry: time.Now().Add(time.Hour)}, nil
	})
	for header, creds := range map[string]ncredentials.PerRPC{
		"Basic YWRhOnNlY3JldA==": basic, "Bearer t0ken": bearer, "Bearer kept": kept,
	} {
		want = header
		c, err := naru.NewClient(lis.Addr().String(), naru.WithTLSFiles(ncredentials.TLSFiles{CA: f.ca}),
			naru.WithCredentials(creds), naru.WithTimeout(10*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Invoke(t.Context(), &naru.MethodInfo{FullMethod: "/grpc.health.v1.Health/Check"},
			&healthgrpc.HealthCheckRequest{}, new(healthgrpc.HealthCheckResponse)); err != nil {
			t.Error(err)
		}
		c.Close()
	}
}
