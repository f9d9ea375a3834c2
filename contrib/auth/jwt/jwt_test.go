package jwt_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/naru-rpc/naru/auth"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/contrib/auth/jwt"
	"github.com/naru-rpc/naru/narutest"
	"github.com/naru-rpc/naru/status"
)

func TestMain(m *testing.M) { narutest.VerifyTestMain(m) }

const issuer = "https://issuer.example"

var (
	rsaKey   = must(rsa.GenerateKey(rand.Reader, 2048))
	otherKey = must(rsa.GenerateKey(rand.Reader, 2048))
	ecKey    = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// claims returns good ones, changed by the pairs that follow; a nil value takes a claim out.
func claims(change map[string]any) map[string]any {
	now := time.Now()
	c := map[string]any{
		"iss": issuer, "sub": "ada", "aud": []string{"shop", "other"}, "exp": now.Add(time.Hour).Unix(),
		"iat": now.Unix(), "scope": "read write", "groups": []string{"staff"},
	}
	for k, v := range change {
		if c[k] = v; v == nil {
			delete(c, k)
		}
	}
	return c
}

// compact puts a token together from JSON texts, signed with RS256 whatever the header says.
func compact(header, payload string, key *rsa.PrivateKey) string {
	input := b64([]byte(header)) + "." + b64([]byte(payload))
	sum := sha256.Sum256([]byte(input))
	return input + "." + b64(must(rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])))
}

func rs256(header map[string]any, c map[string]any, key *rsa.PrivateKey) string {
	h := map[string]any{"alg": "RS256", "kid": "one"}
	maps.Copy(h, header)
	return compact(string(must(json.Marshal(h))), string(must(json.Marshal(c))), key)
}

// keyServer serves a key set that tests change.
type keyServer struct {
	*httptest.Server
	fetches atomic.Int32
	down    atomic.Bool
	mu      sync.Mutex
	set     jose.JSONWebKeySet
}

func newKeyServer(t *testing.T, keys ...jose.JSONWebKey) *keyServer {
	k := &keyServer{set: jose.JSONWebKeySet{Keys: keys}}
	k.Server = httptest.NewServer(http.HandlerFunc(k.serve))
	t.Cleanup(k.Close)
	return k
}

func (k *keyServer) serve(w http.ResponseWriter, r *http.Request) {
	switch {
	case k.down.Load():
		w.WriteHeader(http.StatusInternalServerError)
	case r.URL.Path == "/.well-known/openid-configuration":
		fmt.Fprintf(w, `{"issuer": %q, "jwks_uri": %q}`, k.URL, k.URL+"/keys")
	default:
		k.fetches.Add(1)
		k.mu.Lock()
		defer k.mu.Unlock()
		json.NewEncoder(w).Encode(k.set)
	}
}

func (k *keyServer) replace(keys ...jose.JSONWebKey) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.set.Keys = keys
}

func public(id string, key *rsa.PrivateKey) jose.JSONWebKey {
	return jose.JSONWebKey{KeyID: id, Key: &key.PublicKey, Algorithm: "RS256", Use: "sig"}
}

func verifier(t *testing.T, keys *jwt.Keys, change func(*jwt.Config)) auth.Verifier {
	t.Helper()
	c := jwt.Config{Issuer: issuer, Audiences: []string{"shop"}, Keys: keys}
	if change != nil {
		change(&c)
	}
	v, err := jwt.NewVerifier(c)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func verify(v auth.Verifier, token string) (*auth.Caller, error) {
	return v.Verify(context.Background(), auth.Request{Scheme: "bearer", Credentials: token})
}

func TestGoodTokens(t *testing.T) {
	shared := []byte(strings.Repeat("s", 32))
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		alg         string
		sign, check any
	}{
		{"RS256", rsaKey, &rsaKey.PublicKey}, {"PS512", rsaKey, &rsaKey.PublicKey}, {"ES256", ecKey, &ecKey.PublicKey},
		{"EdDSA", edKey, edKey.Public()}, {"HS256", shared, shared},
	} {
		keys, err := jwt.Static(c.check)
		if err != nil {
			t.Fatal(err)
		}
		v := verifier(t, keys, func(cfg *jwt.Config) { cfg.Algorithms = []string{c.alg} })
		creds, err := jwt.NewSigner(jwt.SignerConfig{Key: c.sign, Algorithm: c.alg, Issuer: issuer, Subject: "ada", Audience: "shop",
			Claims: map[string]any{"scope": "read write", "groups": []string{"staff"}}})
		if err != nil {
			t.Fatal(err)
		}
		pairs, err := creds.GetRequestMetadata(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		caller, err := verify(v, strings.TrimPrefix(pairs["authorization"], "Bearer "))
		if err != nil {
			t.Errorf("%s: %v", c.alg, err)
			continue
		}
		if caller.Subject != "ada" || !caller.HasScope("write") || !caller.InGroup("staff") || caller.Issuer != issuer {
			t.Errorf("%s: caller %+v", c.alg, caller)
		}
	}
}

// TestAttacks holds shapes of forged and twisted tokens that libraries were known to accept, after
// RFC 8725 and public advisories.
func TestAttacks(t *testing.T) {
	keys, err := jwt.Static(&rsaKey.PublicKey, &ecKey.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	v := verifier(t, keys, nil)
	good := rs256(nil, claims(nil), rsaKey)
	if _, err := verify(v, good); err != nil {
		t.Fatalf("a good token: %v", err)
	}
	parts := strings.Split(good, ".")
	now := time.Now()
	der := must(x509.MarshalPKIXPublicKey(&rsaKey.PublicKey))
	hs := func(header string, key []byte) string {
		input := b64([]byte(header)) + "." + parts[1]
		m := hmac.New(sha256.New, key)
		m.Write([]byte(input))
		return input + "." + b64(m.Sum(nil))
	}
	text := string(must(json.Marshal(claims(nil))))
	with := func(c map[string]any) string { return rs256(nil, claims(c), rsaKey) }
	head := func(h map[string]any) string { return rs256(h, claims(nil), rsaKey) }
	own := jose.JSONWebKey{Key: &otherKey.PublicKey}
	for name, c := range map[string]struct{ token, want string }{
		"alg none":                     {b64([]byte(`{"alg":"none"}`)) + "." + parts[1] + ".", "algorithm is \"none\""},
		"alg None":                     {b64([]byte(`{"alg":"None"}`)) + "." + parts[1] + "." + parts[2], "algorithm"},
		"no alg":                       {b64([]byte(`{}`)) + "." + parts[1] + "." + parts[2], "algorithm"},
		"no signature":                 {parts[0] + "." + parts[1] + ".", "signature"},
		"public key as HMAC key, DER":  {hs(`{"alg":"HS256"}`, der), "algorithm is \"HS256\""},
		"public key as HMAC key, PEM":  {hs(`{"alg":"HS256"}`, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), "algorithm"},
		"other key":                    {rs256(nil, claims(nil), otherKey), "signature is wrong"},
		"ES256 says RS256's signature": {compact(`{"alg":"ES256"}`, text, rsaKey), "signature is wrong"},
		"ES256 of zeros":               {b64([]byte(`{"alg":"ES256"}`)) + "." + parts[1] + "." + b64(make([]byte, 64)), "signature is wrong"},
		"changed claims":               {parts[0] + "." + b64([]byte(strings.Replace(text, "ada", "eve", 1))) + "." + parts[2], "signature is wrong"},
		"key of its own":               {rs256(map[string]any{"jwk": own}, claims(nil), otherKey), "\"jwk\""},
		"jku":                          {head(map[string]any{"jku": "https://evil.example/keys"}), "\"jku\""},
		"x5u":                          {head(map[string]any{"x5u": "https://evil.example/cert"}), "\"x5u\""},
		"x5c":                          {head(map[string]any{"x5c": []string{"MII"}}), "\"x5c\""},
		"crit":                         {head(map[string]any{"crit": []string{"exp"}, "exp": 1}), "\"crit\""},
		"b64 false":                    {head(map[string]any{"b64": false}), "\"b64\""},
		"zip":                          {head(map[string]any{"zip": "DEF"}), "\"zip\""},
		"nested":                       {head(map[string]any{"cty": "JWT"}), "\"cty\""},
		"other type":                   {head(map[string]any{"typ": "dpop+jwt"}), "type"},
		"kid is a number":              {head(map[string]any{"kid": 7}), "kid"},
		"claim twice":                  {compact(`{"alg":"RS256"}`, text[:len(text)-1]+`,"sub":"root"}`, rsaKey), "twice"},
		"header twice":                 {compact(`{"alg":"RS256","alg":"none"}`, text, rsaKey), "twice"},
		"two values":                   {compact(`{"alg":"RS256"}`, text+text, rsaKey), "more than one"},
		"claims are an array":          {compact(`{"alg":"RS256"}`, `[]`, rsaKey), "not a JSON object"},
		"deep":                         {compact(`{"alg":"RS256"}`, `{"a":`+strings.Repeat("[", 500)+strings.Repeat("]", 500)+`}`, rsaKey), "nested"},
		"expired":                      {with(map[string]any{"exp": now.Add(-time.Minute).Unix()}), "expired"},
		"no expiry":                    {with(map[string]any{"exp": nil}), "no expiry"},
		"expiry is text":               {with(map[string]any{"exp": "9999999999"}), "not a number"},
		"expiry overflows":             {with(map[string]any{"exp": 1e300}), "no time"},
		"expiry negative":              {with(map[string]any{"exp": -1}), "no time"},
		"not yet":                      {with(map[string]any{"nbf": now.Add(time.Hour).Unix()}), "not valid before"},
		"issued in the future":         {with(map[string]any{"iat": now.Add(24 * time.Hour).Unix()}), "issued"},
		"other audience":               {with(map[string]any{"aud": "bank"}), "not for this service"},
		"no audience":                  {with(map[string]any{"aud": nil}), "not for this service"},
		"audience is an object":        {with(map[string]any{"aud": map[string]any{"shop": 1}}), "aud"},
		"no subject":                   {with(map[string]any{"sub": nil}), "no subject"},
		"subject is a number":          {with(map[string]any{"sub": 1}), "no subject"},
		"oversized":                    {with(map[string]any{"x": strings.Repeat("x", 9000)}), "bytes"},
		"padding":                      {parts[0] + "=." + parts[1] + "." + parts[2], "header"},
		"standard base64":              {parts[0] + "." + parts[1] + "+/." + parts[2], "claims"},
		"trailing bits":                {b64([]byte(`{"alg":"RS256"}`)) + "." + parts[1][:len(parts[1])-1] + "~." + parts[2], "claims"},
	} {
		caller, err := verify(v, c.token)
		if status.Code(err) != codes.Unauthenticated || caller != nil {
			t.Errorf("%s: %v, %v; want UNAUTHENTICATED", name, caller, err)
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want it to say %q", name, err, c.want)
		}
	}
	for name, token := range map[string]string{
		"other issuer": with(map[string]any{"iss": issuer + "/"}), "no issuer": with(map[string]any{"iss": nil}),
		"JWE": "a.b.c.d.e", "opaque": "abcdef", "empty": "",
	} {
		if _, err := verify(v, token); err != auth.ErrNotMine {
			t.Errorf("%s: %v, want ErrNotMine", name, err)
		}
	}
}

func TestConfigFaults(t *testing.T) {
	keys := must(jwt.Static(&rsaKey.PublicKey))
	shared := must(jwt.Static(make([]byte, 32)))
	for want, c := range map[string]jwt.Config{
		"Issuer":      {Audiences: []string{"a"}, Keys: keys},
		"Audiences":   {Issuer: issuer, Keys: keys},
		"Keys":        {Issuer: issuer, Audiences: []string{"a"}},
		"HS256":       {Issuer: issuer, Audiences: []string{"a"}, Keys: keys, Algorithms: []string{"HS256"}},
		"shared ones": {Issuer: issuer, Audiences: []string{"a"}, Keys: shared, Algorithms: []string{"RS256"}},
		"none":        {Issuer: issuer, Audiences: []string{"a"}, Keys: keys, Algorithms: []string{"none"}},
		"Leeway":      {Issuer: issuer, Audiences: []string{"a"}, Keys: keys, Leeway: time.Hour},
	} {
		if _, err := jwt.NewVerifier(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want an error that names %s", err, want)
		}
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	for _, keys := range [][]any{{}, {[]byte("short")}, {&weak.PublicKey}, {rsaKey}, {&rsaKey.PublicKey, make([]byte, 32)}, {"text"}} {
		if _, err := jwt.Static(keys...); err == nil {
			t.Errorf("Static(%T) has no error", keys)
		}
	}
	for _, url := range []string{"http://keys.example/", "ftp://a/", "https://user:pw@a/", "::", ""} {
		if _, err := jwt.FromURL(t.Context(), url, jwt.KeysConfig{}); err == nil {
			t.Errorf("FromURL(%q) has no error", url)
		}
	}
}

// TestKeyRotation: a new key is used at once, and made-up key ids do not make a flood of requests.
func TestKeyRotation(t *testing.T) {
	server := newKeyServer(t, public("one", rsaKey))
	keys, err := jwt.FromURL(t.Context(), server.URL, jwt.KeysConfig{MinInterval: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	v := verifier(t, keys, nil)
	second := rs256(map[string]any{"kid": "two"}, claims(nil), otherKey)
	if _, err := verify(v, second); status.Code(err) != codes.Unauthenticated {
		t.Fatalf("a key that is not published: %v", err)
	}
	server.replace(public("one", rsaKey), public("two", otherKey))
	if _, err := verify(v, second); err != nil {
		t.Errorf("after the rotation: %v", err)
	}
	if _, err := verify(v, rs256(map[string]any{"kid": "two"}, claims(nil), rsaKey)); status.Code(err) != codes.Unauthenticated {
		t.Errorf("the first key under the second's id: %v", err)
	}

	// Without key ids, too.
	server.replace(jose.JSONWebKey{Key: &rsaKey.PublicKey})
	if _, err := verify(v, rs256(map[string]any{"kid": "three"}, claims(nil), rsaKey)); err != nil {
		t.Errorf("a set without ids: %v", err)
	}
	server.replace(jose.JSONWebKey{Key: &otherKey.PublicKey})
	if _, err := verify(v, compact(`{"alg":"RS256"}`, string(must(json.Marshal(claims(nil)))), otherKey)); err != nil {
		t.Errorf("a new key without an id: %v", err)
	}
	server.replace(public("one", rsaKey), public("two", otherKey))

	slow, err := jwt.FromURL(t.Context(), server.URL, jwt.KeysConfig{})
	if err != nil {
		t.Fatal(err)
	}
	v = verifier(t, slow, nil)
	before := server.fetches.Load()
	for i := range 1000 {
		verify(v, rs256(map[string]any{"kid": fmt.Sprint("made up ", i)}, claims(nil), otherKey))
	}
	if n := server.fetches.Load() - before; n != 0 {
		t.Errorf("1000 made-up key ids within 30 s of the last request: %d requests, want none", n)
	}
}

// TestOutage: keys are used while the issuer is down, for as long as the budget says.
func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down, fetches atomic.Int32
		set := must(json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{public("one", rsaKey)}}))
		client := &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			fetches.Add(1)
			w := httptest.NewRecorder()
			if down.Load() == 1 {
				return nil, fmt.Errorf("no route to host")
			}
			w.Write(set)
			return w.Result(), nil
		})}
		keys, err := jwt.FromURL(t.Context(), "https://issuer.example/keys", jwt.KeysConfig{Client: client})
		if err != nil {
			t.Fatal(err)
		}
		v := verifier(t, keys, nil)
		// at returns what a token gets, d after the last successful request.
		use := func() error {
			_, err := verify(v, rs256(nil, claims(nil), rsaKey))
			synctest.Wait()
			return err
		}
		down.Store(1)
		start := time.Now()
		for time.Since(start) < 59*time.Minute {
			if err := use(); err != nil {
				t.Fatalf("%v after the last request: %v", time.Since(start), err)
			}
			time.Sleep(5 * time.Second)
		}
		if n := fetches.Load(); n < 10 || n > 121 {
			t.Errorf("%d requests in an hour of outage, want one every 30 s at most", n)
		}
		time.Sleep(2 * time.Minute)
		if err := use(); status.Code(err) != codes.Unavailable {
			t.Errorf("an hour after the last request: %v, want UNAVAILABLE", err)
		}
		down.Store(0)
		time.Sleep(30 * time.Second)
		if err := use(); err != nil {
			t.Errorf("when the issuer is back: %v", err)
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestDiscover(t *testing.T) {
	server := newKeyServer(t, public("one", rsaKey))
	keys, err := jwt.Discover(t.Context(), server.URL, jwt.KeysConfig{})
	if err != nil {
		t.Fatal(err)
	}
	v := verifier(t, keys, func(c *jwt.Config) { c.Issuer = server.URL })
	if _, err := verify(v, rs256(nil, claims(map[string]any{"iss": server.URL}), rsaKey)); err != nil {
		t.Error(err)
	}
	if _, err := jwt.Discover(t.Context(), server.URL+"/", jwt.KeysConfig{}); err == nil || !strings.Contains(err.Error(), "names the issuer") {
		t.Errorf("a document of another issuer: %v", err)
	}
}

// TestKeySets: keys that must not be used are left out, and a set without a usable one is an error.
func TestKeySets(t *testing.T) {
	weak := must(rsa.GenerateKey(rand.Reader, 1024))
	for name, c := range map[string]struct {
		keys []jose.JSONWebKey
		ok   bool
	}{
		"good":       {[]jose.JSONWebKey{public("one", rsaKey)}, true},
		"empty":      {nil, false},
		"encryption": {[]jose.JSONWebKey{{KeyID: "one", Key: &rsaKey.PublicKey, Use: "enc"}}, false},
		"weak":       {[]jose.JSONWebKey{public("one", weak)}, false},
		"shared":     {[]jose.JSONWebKey{{KeyID: "one", Key: []byte(strings.Repeat("s", 32))}}, false},
		"private":    {[]jose.JSONWebKey{{KeyID: "one", Key: rsaKey}}, false},
		"mixed":      {[]jose.JSONWebKey{public("weak", weak), {KeyID: "s", Key: []byte(strings.Repeat("s", 32))}, public("one", rsaKey)}, true},
	} {
		server := newKeyServer(t, c.keys...)
		keys, err := jwt.FromURL(t.Context(), server.URL, jwt.KeysConfig{})
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil {
			continue
		}
		if _, err := verify(verifier(t, keys, nil), rs256(nil, claims(nil), rsaKey)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMaxAgeAndAccept(t *testing.T) {
	keys := must(jwt.Static(&rsaKey.PublicKey))
	v := verifier(t, keys, func(c *jwt.Config) {
		c.MaxAge, c.Type, c.Leeway = time.Hour, "at+jwt", -1
		c.Accept = func(caller *auth.Caller) error {
			if caller.Claims["tenant"] != "blue" {
				return auth.Refuse("wrong tenant")
			}
			return nil
		}
	})
	now := time.Now()
	typ := map[string]any{"typ": "application/at+JWT"}
	for want, token := range map[string]string{
		"":             rs256(typ, claims(map[string]any{"tenant": "blue"}), rsaKey),
		"more than 1h": rs256(typ, claims(map[string]any{"tenant": "blue", "iat": now.Add(-61 * time.Minute).Unix()}), rsaKey),
		"issued":       rs256(typ, claims(map[string]any{"tenant": "blue", "iat": nil}), rsaKey),
		"wrong tenant": rs256(typ, claims(nil), rsaKey),
		"type":         rs256(nil, claims(map[string]any{"tenant": "blue"}), rsaKey),
	} {
		_, err := verify(v, token)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func FuzzVerify(f *testing.F) {
	keys := must(jwt.Static(&rsaKey.PublicKey))
	v, err := jwt.NewVerifier(jwt.Config{Issuer: issuer, Audiences: []string{"shop"}, Keys: keys})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(`{"alg":"RS256"}`, `{"iss":"https://issuer.example","aud":"shop","sub":"a","exp":9999999999}`, "sig")
	f.Add(`{"alg":"none"}`, `{"iss":"https://issuer.example","aud":["shop"],"exp":1e400}`, "")
	f.Fuzz(func(t *testing.T, header, payload, sig string) {
		caller, err := verify(v, b64([]byte(header))+"."+b64([]byte(payload))+"."+b64([]byte(sig)))
		if caller != nil || err == nil {
			t.Errorf("accepted: %s %s %s", header, payload, sig)
		}
	})
}
