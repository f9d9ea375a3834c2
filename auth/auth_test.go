package auth_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/auth"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/leak"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/narutest"
	"github.com/naru-rpc/naru/status"
	"github.com/naru-rpc/naru/stub"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func TestMain(m *testing.M) { leak.VerifyTestMain(m) }

type text = wrapperspb.StringValue

var whoami = &naru.MethodInfo{FullMethod: "/test.Auth/WhoAmI"}

// serve starts a server that answers who the caller is.
func serve(t testing.TB, authenticate func(context.Context, *naru.Call) (context.Context, error)) *naru.Client {
	return narutest.NewServer(t, func(s *naru.Server) {
		s.RegisterService(&naru.ServiceDesc{Name: "test.Auth", Methods: []naru.MethodDesc{
			stub.UnaryHandler(whoami, func(ctx context.Context, _ *text) (*text, error) {
				c, ok := auth.CallerFrom(ctx)
				if !ok {
					return wrapperspb.String("nobody"), nil
				}
				return wrapperspb.String(c.String()), nil
			}),
		}})
	}, naru.WithAuthenticator(authenticate)).Client()
}

func call(t testing.TB, c *naru.Client, authorization ...string) (string, metadata.MD, error) {
	ctx := t.Context()
	for _, a := range authorization {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", a)
	}
	res := new(text)
	var trailer metadata.MD
	err := c.Invoke(ctx, whoami, new(text), res, naru.CaptureTrailer(&trailer))
	return res.Value, trailer, err
}

func basicHeader(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func checkAda(_ context.Context, user, password string) (*auth.Caller, error) {
	if user != "ada" || password != "se:cret" {
		return nil, auth.ErrWrongPassword
	}
	return &auth.Caller{Scheme: "basic", Subject: user}, nil
}

func TestRequire(t *testing.T) {
	tokens := auth.StaticTokens(map[string]*auth.Caller{
		"t0ken": {Scheme: "bearer", Subject: "robot"}, "other": {Scheme: "bearer", Subject: "other"},
	})
	broken := auth.Bearer(func(_ context.Context, token string) (*auth.Caller, error) {
		switch token {
		case "down":
			return nil, status.Error(codes.Unavailable, "the issuer is down")
		case "secret-fault":
			return nil, errors.New("dial tcp 10.0.0.7: refused")
		case "nil":
			return nil, nil
		}
		return nil, auth.ErrNotMine
	})
	c := serve(t, auth.Require(auth.ClientCertificate(), tokens, broken, auth.Basic(checkAda)))
	for _, test := range []struct {
		name   string
		header []string
		who    string
		code   codes.Code
		text   string
	}{
		{"password", []string{basicHeader("ada", "se:cret")}, "basic:ada", codes.OK, ""},
		{"scheme in capitals", []string{strings.Replace(basicHeader("ada", "se:cret"), "Basic", "BASIC", 1)}, "basic:ada", codes.OK, ""},
		{"token", []string{"Bearer t0ken"}, "bearer:robot", codes.OK, ""},
		{"token after spaces", []string{"bearer   other"}, "bearer:other", codes.OK, ""},
		{"nothing", nil, "", codes.Unauthenticated, "no credentials: this server accepts Bearer, Basic"},
		{"empty header", []string{""}, "", codes.Unauthenticated, "no scheme"},
		{"other scheme", []string{"Digest x"}, "", codes.Unauthenticated, "\"digest\" credentials"},
		{"unknown token", []string{"Bearer nope"}, "", codes.Unauthenticated, "\"bearer\" credentials"},
		{"empty token", []string{"Bearer"}, "", codes.Unauthenticated, "empty"},
		{"wrong password", []string{basicHeader("ada", "x")}, "", codes.Unauthenticated, "user name or the password"},
		{"wrong user", []string{basicHeader("eve", "se:cret")}, "", codes.Unauthenticated, "user name or the password"},
		{"no colon", []string{"Basic YWRh"}, "", codes.Unauthenticated, "USER:PASSWORD"},
		{"control character", []string{basicHeader("ada\n", "x")}, "", codes.Unauthenticated, "control"},
		{"no base64", []string{"Basic ???"}, "", codes.Unauthenticated, "base64"},
		{"two headers", []string{"Bearer t0ken", "Bearer other"}, "", codes.Unauthenticated, "2 authorization headers"},
		{"verifier down", []string{"Bearer down"}, "", codes.Unavailable, "the issuer is down"},
		{"verifier's own fault", []string{"Bearer secret-fault"}, "", codes.Unauthenticated, ""},
		{"verifier without result", []string{"Bearer nil"}, "", codes.Unauthenticated, ""},
	} {
		who, trailer, err := call(t, c, test.header...)
		if status.Code(err) != test.code || who != test.who {
			t.Errorf("%s: %q, %v; want %q, %v", test.name, who, err, test.who, test.code)
		}
		if err != nil && (!strings.Contains(err.Error(), test.text) || strings.Contains(err.Error(), "10.0.0.7")) {
			t.Errorf("%s: %v; want %q", test.name, err, test.text)
		}
		challenged := len(trailer["www-authenticate"]) == 2
		if challenged != (test.code == codes.Unauthenticated) {
			t.Errorf("%s: trailer www-authenticate is %q", test.name, trailer["www-authenticate"])
		}
	}
}

func TestOptional(t *testing.T) {
	c := serve(t, auth.Optional(auth.Basic(checkAda)))
	if who, _, err := call(t, c); who != "nobody" || err != nil {
		t.Errorf("without credentials: %q, %v", who, err)
	}
	if who, _, err := call(t, c, basicHeader("ada", "se:cret")); who != "basic:ada" || err != nil {
		t.Errorf("with: %q, %v", who, err)
	}
	for _, bad := range []string{basicHeader("ada", "x"), "Bearer x"} {
		if _, _, err := call(t, c, bad); status.Code(err) != codes.Unauthenticated {
			t.Errorf("%.6s: wrong credentials are ignored: %v", bad, err)
		}
	}
	if _, _, err := call(t, serve(t, auth.Require())); status.Code(err) != codes.Unauthenticated {
		t.Errorf("no verifiers: %v", err)
	}
}

// TestCached: accepted callers are known for a while, bounded in time and number; refusals are not.
func TestCached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := map[string]int{}
		var expiry time.Time
		v := auth.Cached(auth.Bearer(func(_ context.Context, token string) (*auth.Caller, error) {
			asked[token]++
			if token == "bad" {
				return nil, auth.Refuse("no")
			}
			return &auth.Caller{Subject: token, Expiry: expiry}, nil
		}), auth.CacheConfig{MaxCallers: 10})
		verify := func(token string) {
			t.Helper()
			c, err := v.Verify(t.Context(), auth.Request{Scheme: "bearer", Credentials: token})
			if (err == nil) != (token != "bad") || err == nil && c.Subject != token {
				t.Fatalf("%s: %v, %v", token, c, err)
			}
		}
		for range 100 {
			verify("a")
			verify("bad")
		}
		if asked["a"] != 1 || asked["bad"] != 100 {
			t.Errorf("asked %v", asked)
		}
		time.Sleep(time.Minute)
		verify("a")
		if asked["a"] != 2 {
			t.Errorf("after a minute, asked %d times for a, want again", asked["a"])
		}
		expiry = time.Now().Add(time.Second)
		verify("short")
		time.Sleep(time.Second)
		verify("short")
		if asked["short"] != 2 {
			t.Errorf("an expired caller is known")
		}
		expiry = time.Time{}
		for i := range 1000 {
			verify(fmt.Sprint("filler", i))
		}
		verify("a")
		if asked["a"] != 3 {
			t.Errorf("1000 callers later, a is still known: the cache is not bounded")
		}
		if _, err := v.Verify(t.Context(), auth.Request{Scheme: "basic", Credentials: "a"}); err != auth.ErrNotMine {
			t.Errorf("a token's text under another scheme: %v", err)
		}
	})
}

func TestCachedAllocates(t *testing.T) {
	v := auth.Cached(auth.StaticTokens(map[string]*auth.Caller{"t": {}}), auth.CacheConfig{})
	r := auth.Request{Scheme: "bearer", Credentials: "t"}
	var failed atomic.Bool
	if n := testing.AllocsPerRun(1000, func() {
		if _, err := v.Verify(t.Context(), r); err != nil {
			failed.Store(true)
		}
	}); n > 0.5 && !raceEnabled || failed.Load() {
		t.Errorf("%v allocations for a known caller, failed: %v", n, failed.Load())
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	r := auth.Request{Scheme: "bearer", Credentials: "hunter2"}
	if s := fmt.Sprintf("%v %+v %#v %s", r, r, r, r); strings.Contains(s, "hunter2") {
		t.Errorf("a request prints as %s", s)
	}
}

func FuzzBasic(f *testing.F) {
	f.Add("Basic YWRhOnNl")
	f.Add("Basic")
	v := auth.Basic(checkAda)
	f.Fuzz(func(t *testing.T, credentials string) {
		if c, err := v.Verify(t.Context(), auth.Request{Scheme: "basic", Credentials: credentials}); err == nil && c.Subject != "ada" {
			t.Errorf("%q: %v", credentials, c)
		}
	})
}
