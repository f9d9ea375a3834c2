package oauth_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/naru-rpc/naru/auth"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/contrib/auth/oauth"
	"github.com/naru-rpc/naru/credentials"
	"github.com/naru-rpc/naru/narutest"
	"github.com/naru-rpc/naru/status"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

func TestMain(m *testing.M) { narutest.VerifyTestMain(m) }

// endpoint is an authorization server that remembers what it was asked.
type endpoint struct {
	*httptest.Server
	mu     sync.Mutex
	asked  []url.Values
	user   string
	answer func(url.Values) (int, any)
}

func serve(t *testing.T, answer func(url.Values) (int, any)) *endpoint {
	e := &endpoint{answer: answer}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		e.mu.Lock()
		e.asked = append(e.asked, r.PostForm)
		e.user, _, _ = r.BasicAuth()
		e.mu.Unlock()
		code, v := e.answer(r.PostForm)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		json.NewEncoder(w).Encode(v)
	}))
	t.Cleanup(e.Close)
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	return e
}

func issue(token string) (int, any) {
	return 200, map[string]any{"access_token": token, "token_type": "bearer", "expires_in": 3600}
}

func header(t *testing.T, c credentials.PerRPC) (string, error) {
	t.Helper()
	pairs, err := c.GetRequestMetadata(t.Context())
	return pairs["authorization"], err
}

func TestClientCredentials(t *testing.T) {
	e := serve(t, func(url.Values) (int, any) { return issue("one") })
	tokens := oauth.ClientCredentials(clientcredentials.Config{ClientID: "shop", ClientSecret: "s", TokenURL: e.URL, Scopes: []string{"a", "b"}})
	for range 10 {
		if h, err := header(t, tokens); h != "Bearer one" || err != nil {
			t.Fatalf("%q, %v", h, err)
		}
	}
	if len(e.asked) != 1 || e.asked[0].Get("grant_type") != "client_credentials" || e.asked[0].Get("scope") != "a b" || e.user != "shop" {
		t.Errorf("asked %v as %q", e.asked, e.user)
	}
}

func TestRefreshToken(t *testing.T) {
	n := 0
	e := serve(t, func(url.Values) (int, any) {
		n++
		// Expired so soon that the next call asks again.
		return 200, map[string]any{"access_token": fmt.Sprint("access", n), "refresh_token": fmt.Sprint("refresh", n), "expires_in": 1}
	})
	var saved []string
	tokens := oauth.RefreshToken(oauth2.Config{ClientID: "cli", Endpoint: oauth2.Endpoint{TokenURL: e.URL}}, "refresh0",
		func(r string) { saved = append(saved, r) })
	first, err := header(t, tokens)
	if err != nil || first != "Bearer access1" {
		t.Fatalf("%q, %v", first, err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		if h, err := header(t, tokens); err == nil && h == "Bearer access2" {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("%q, %v: not refreshed", h, err)
		}
	}
	if got := []string{e.asked[0].Get("refresh_token"), e.asked[1].Get("refresh_token")}; !slices.Equal(got, []string{"refresh0", "refresh1"}) {
		t.Errorf("refreshed with %q", got)
	}
	if !slices.Equal(saved[:2], []string{"refresh1", "refresh2"}) {
		t.Errorf("saved %q", saved)
	}
}

func TestExchange(t *testing.T) {
	e := serve(t, func(url.Values) (int, any) { return issue("new") })
	subject, err := "old", error(nil)
	tokens := oauth.Exchange(oauth.ExchangeConfig{
		TokenURL: e.URL, ClientID: "shop", Audience: "orders", Scopes: []string{"read"},
		Subject: func(context.Context) (string, error) { return subject, err },
	})
	if h, err := header(t, tokens); h != "Bearer new" || err != nil {
		t.Fatalf("%q, %v", h, err)
	}
	want := url.Values{
		"grant_type":    {"urn:ietf:params:oauth:grant-type:token-exchange"},
		"subject_token": {"old"}, "subject_token_type": {"urn:ietf:params:oauth:token-type:jwt"}, "audience": {"orders"}, "scope": {"read"},
	}
	if got := e.asked[0]; got.Encode() != want.Encode() {
		t.Errorf("asked %v, want %v", got, want)
	}
	if _, err := header(t, oauth.Exchange(oauth.ExchangeConfig{TokenURL: e.URL})); err == nil {
		t.Error("no error without a subject")
	}
}

// TestFailures: a refusal and an outage have codes of their own, and no text holds a secret.
func TestFailures(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	for name, c := range map[string]struct {
		answer func(url.Values) (int, any)
		code   codes.Code
		text   string
	}{
		"refused": {func(url.Values) (int, any) {
			return 401, map[string]any{"error": "invalid_client", "error_description": "who are you?"}
		}, codes.Unauthenticated, "\"invalid_client\": \"who are you?\""},
		"echo":     {func(v url.Values) (int, any) { return 400, v }, codes.Unauthenticated, "400"},
		"down":     {func(url.Values) (int, any) { return 503, "s3cret" }, codes.Unavailable, "503"},
		"busy":     {func(url.Values) (int, any) { return 429, "" }, codes.Unavailable, "429"},
		"no token": {func(url.Values) (int, any) { return 200, map[string]any{} }, codes.Unknown, "access_token"},
		"gone":     {nil, codes.Unavailable, "cannot be asked"},
	} {
		at := gone.URL
		if c.answer != nil {
			at = serve(t, c.answer).URL
		}
		tokens := oauth.ClientCredentials(clientcredentials.Config{
			ClientID: "shop", ClientSecret: "s3cret", TokenURL: strings.Replace(at, "http://", "http://u:s3cret@", 1) + "?k=s3cret",
			AuthStyle: oauth2.AuthStyleInParams,
		})
		_, err := header(t, tokens)
		if status.Code(err) != c.code || !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v; want %v with %q", name, err, c.code, c.text)
		}
	}
}

// TestSecretsNeedHTTPS: no secret goes to an endpoint without TLS on another machine, and none
// follows a redirect there.
func TestSecretsNeedHTTPS(t *testing.T) {
	asked := 0
	client := &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
		asked++
		return nil, fmt.Errorf("no route to host")
	})}
	config := clientcredentials.Config{ClientID: "shop", ClientSecret: "s3cret", TokenURL: "http://issuer.example/token"}
	if _, err := header(t, oauth.ClientCredentials(config, oauth.WithHTTPClient(client))); err == nil || asked > 0 || !strings.Contains(err.Error(), "AllowHTTP") {
		t.Errorf("%v, asked %d times", err, asked)
	}
	if _, err := header(t, oauth.ClientCredentials(config, oauth.WithHTTPClient(client), oauth.AllowHTTP())); err == nil || asked == 0 {
		t.Errorf("allowed: %v, asked %d times", err, asked)
	}
	redirects := httptest.NewServer(http.RedirectHandler("http://issuer.example/token", http.StatusTemporaryRedirect))
	t.Cleanup(redirects.Close)
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	config.TokenURL = redirects.URL
	if _, err := header(t, oauth.ClientCredentials(config)); err == nil || !strings.Contains(err.Error(), "not https") {
		t.Errorf("a redirect to plain HTTP: %v", err)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestIntrospection(t *testing.T) {
	now := time.Now().Unix()
	answers := map[string]any{
		"good":     map[string]any{"active": true, "sub": "ada", "scope": "read write", "aud": "shop", "iss": "i", "exp": now + 100, "x": 1},
		"client":   map[string]any{"active": true, "client_id": "robot", "aud": []string{"a", "shop"}, "iss": "i"},
		"inactive": map[string]any{"active": false},
		"expired":  map[string]any{"active": true, "sub": "a", "aud": "shop", "iss": "i", "exp": now - 1},
		"later":    map[string]any{"active": true, "sub": "a", "aud": "shop", "iss": "i", "nbf": now + 100},
		"audience": map[string]any{"active": true, "sub": "a", "aud": "bank", "iss": "i"},
		"issuer":   map[string]any{"active": true, "sub": "a", "aud": "shop", "iss": "j"},
		"nobody":   map[string]any{"active": true, "aud": "shop", "iss": "i"},
		"garbage":  []int{1},
	}
	e := serve(t, func(v url.Values) (int, any) {
		if a, ok := answers[v.Get("token")]; ok {
			return 200, a
		}
		return 500, "no"
	})
	v, err := oauth.Introspection(oauth.IntrospectionConfig{
		URL: e.URL, ClientID: "me", ClientSecret: "s", Issuer: "i", Audiences: []string{"shop"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for token, want := range map[string]codes.Code{
		"good": codes.OK, "client": codes.OK, "inactive": codes.Unauthenticated, "expired": codes.Unauthenticated, "later": codes.Unauthenticated,
		"audience": codes.Unauthenticated, "issuer": codes.Unauthenticated, "nobody": codes.Unauthenticated,
		"garbage": codes.Unavailable, "down": codes.Unavailable,
	} {
		c, err := v.Verify(t.Context(), auth.Request{Scheme: "bearer", Credentials: token})
		if status.Code(err) != want {
			t.Errorf("%s: %v, want %v", token, err, want)
		}
		if token == "good" && (c.Subject != "ada" || !c.HasScope("write") || c.Claims["x"] != json.Number("1")) {
			t.Errorf("caller %+v", c)
		}
	}
	before := len(e.asked)
	for range 10 {
		if _, err := v.Verify(t.Context(), auth.Request{Scheme: "bearer", Credentials: "good"}); err != nil {
			t.Error(err)
		}
	}
	if len(e.asked) != before || e.user != "me" {
		t.Errorf("a known token is asked about again, as %q", e.user)
	}
	for _, u := range []string{"x", "http://issuer.example/introspect", "ftp://localhost/", "https://u:pw@issuer.example/"} {
		if _, err := oauth.Introspection(oauth.IntrospectionConfig{URL: u}); err == nil || strings.Contains(err.Error(), "pw") {
			t.Errorf("%s: %v", u, err)
		}
	}
	if _, err := oauth.Introspection(oauth.IntrospectionConfig{URL: "http://issuer.example/", AllowHTTP: true}); err != nil {
		t.Error(err)
	}
}
