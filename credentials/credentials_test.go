package credentials

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestStatic(t *testing.T) {
	// RFC 7617 §2's example, and §2.1's with a password that is not ASCII.
	for _, tt := range []struct {
		user, password, want string
	}{
		{"Aladdin", "open sesame", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="},
		{"test", "123£", "Basic dGVzdDoxMjPCow=="},
		{"", "", "Basic Og=="},
	} {
		c, err := Basic(tt.user, tt.password)
		if err != nil {
			t.Fatal(err)
		}
		md, err := c.GetRequestMetadata(t.Context(), "https://example.com/shop")
		if err != nil || md["authorization"] != tt.want || len(md) != 1 {
			t.Errorf("%s: %v, %v; want %s", tt.user, md, err, tt.want)
		}
		if !c.RequireTransportSecurity() {
			t.Errorf("%s: would go over plaintext", tt.user)
		}
	}
	if _, err := Basic("a:b", "x"); err == nil || !strings.Contains(err.Error(), "offset 1") {
		t.Errorf("colon in the user name: %v", err)
	}
}

func TestBearer(t *testing.T) {
	c, err := Bearer("abc.DEF-123_~+/==")
	if err != nil {
		t.Fatal(err)
	}
	md, err := c.GetRequestMetadata(t.Context())
	if err != nil || md["authorization"] != "Bearer abc.DEF-123_~+/==" || !c.RequireTransportSecurity() {
		t.Errorf("%v, %v", md, err)
	}
	for token, want := range map[string]string{
		"":           "empty",
		"s3cret\n":   "byte 0x0a at offset 6",
		"s3c ret":    "byte 0x20 at offset 3",
		"=s3cret":    "byte 0x3d at offset 0",
		"s3cret\xc3": "byte 0xc3 at offset 6",
	} {
		_, err := Bearer(token)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3c") {
			t.Errorf("%q: %v, want %s and not the token", token, err, want)
		}
	}
}

func TestBearerFunc(t *testing.T) {
	type key struct{}
	boom := errors.New("token server is down")
	tokens := map[string]error{"one": nil, "two": boom, "bad token": nil}
	for token, fails := range tokens {
		c := BearerFunc(func(ctx context.Context) (string, error) { return ctx.Value(key{}).(string), fails })
		md, err := c.GetRequestMetadata(context.WithValue(t.Context(), key{}, token))
		switch {
		case token == "one" && (err != nil || md["authorization"] != "Bearer one"):
			t.Errorf("%v, %v", md, err)
		case token == "two" && !errors.Is(err, boom):
			t.Errorf("error = %v, want the source's", err)
		case token == "bad token" && (err == nil || strings.Contains(err.Error(), token)):
			t.Errorf("error = %v, want one without the token", err)
		}
		if !c.RequireTransportSecurity() {
			t.Error("would go over plaintext")
		}
	}
}

func TestAllowPlaintext(t *testing.T) {
	c, _ := Bearer("token")
	open := AllowPlaintext(c)
	md, err := open.GetRequestMetadata(t.Context())
	if err != nil || md["authorization"] != "Bearer token" || open.RequireTransportSecurity() {
		t.Errorf("%v, %v, %v", md, err, open.RequireTransportSecurity())
	}
}

func TestPrintingHidesSecrets(t *testing.T) {
	basic, _ := Basic("user", "s3cret")
	bearer, _ := Bearer("s3cret")
	for _, c := range []PerRPC{basic, bearer, AllowPlaintext(bearer), BearerFunc(nil)} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			s := fmt.Sprintf(verb, c)
			if strings.Contains(s, "s3cret") || strings.Contains(s, "czNjcmV0") || strings.Contains(s, "733363726574") {
				t.Errorf("%s prints %s", verb, s)
			}
		}
	}
}
