package jwt

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/naru-rpc/naru/auth"
)

// object is a JSON object as encoding/json decodes it, numbers as json.Number.
type object map[string]any

// text returns a member that is a string, "" if it is none.
func (o object) text(name string) string {
	s, _ := o[name].(string)
	return s
}

// token is what a JWT says, before anything of it is verified.
type token struct {
	header, claims object
	payload        []byte
}

// read takes a token apart: three parts in base64url without padding, the first two JSON objects.
func read(compact string) (*token, error) {
	if len(compact) > maxToken {
		return nil, fmt.Errorf("it has %d bytes, at most %d are read", len(compact), maxToken)
	}
	parts := strings.SplitN(compact, ".", 4)
	if len(parts) != 3 {
		return nil, errors.New("it does not have three parts")
	}
	var t token
	head, err := base64.RawURLEncoding.Strict().DecodeString(parts[0])
	if err == nil {
		t.header, err = parseObject(head)
	}
	if err != nil {
		return nil, fmt.Errorf("its header: %w", err)
	}
	if t.payload, err = base64.RawURLEncoding.Strict().DecodeString(parts[1]); err == nil {
		t.claims, err = parseObject(t.payload)
	}
	if err != nil {
		return nil, fmt.Errorf("its claims: %w", err)
	}
	return &t, nil
}

// maxDepth bounds how deep a token's JSON is nested.
const maxDepth = 16

// parseObject reads one JSON object in which no name stands twice: parsers that differ in which of
// the two they take would see different tokens.
func parseObject(text []byte) (object, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	v, err := parseValue(d, 0)
	if err != nil {
		return nil, err
	}
	o, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("not a JSON object")
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("more than one JSON value")
	}
	return o, nil
}

func parseValue(d *json.Decoder, depth int) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, errors.New("malformed JSON")
	}
	delim, ok := t.(json.Delim)
	if !ok {
		return t, nil
	}
	if depth == maxDepth {
		return nil, fmt.Errorf("nested deeper than %d", maxDepth)
	}
	if delim == '[' {
		list := []any{}
		for d.More() {
			v, err := parseValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, closing(d)
	}
	o := map[string]any{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, errors.New("malformed JSON")
		}
		key := name.(string) // an object's names are strings, or Token fails
		if _, ok := o[key]; ok {
			return nil, fmt.Errorf("%.40q stands there twice", key)
		}
		if o[key], err = parseValue(d, depth+1); err != nil {
			return nil, err
		}
	}
	return o, closing(d)
}

// closing reads the bracket that ends an array or object.
func closing(d *json.Decoder) error {
	if _, err := d.Token(); err != nil {
		return errors.New("malformed JSON")
	}
	return nil
}

// checkClaims checks audience and times, and makes the caller.
func (v *verifier) checkClaims(c object, now time.Time) (*auth.Caller, error) {
	aud, err := c.texts("aud")
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(aud, func(a string) bool { return slices.Contains(v.Audiences, a) }) {
		return nil, fmt.Errorf("it is for %.100q, not for this service", aud)
	}
	expiry, err := v.checkTimes(c, now)
	if err != nil {
		return nil, err
	}
	subject := c.text("sub")
	if subject == "" {
		return nil, errors.New("it has no subject")
	}
	groups, err := c.texts(v.GroupsClaim)
	if err != nil {
		return nil, err
	}
	return &auth.Caller{
		Scheme: "jwt", Subject: subject, Issuer: v.Issuer, Names: []string{subject},
		Scopes: c.scopes(), Groups: groups, Claims: c, Expiry: expiry,
	}, nil
}

// checkTimes holds RFC 7519 §4.1.4 to §4.1.6, and returns when the token ends.
func (v *verifier) checkTimes(c object, now time.Time) (time.Time, error) {
	exp, hasExp, err := c.time("exp")
	if err != nil {
		return exp, err
	}
	nbf, _, err := c.time("nbf")
	if err != nil {
		return exp, err
	}
	iat, hasIat, err := c.time("iat")
	if err != nil {
		return exp, err
	}
	const layout = time.RFC3339
	switch {
	case !hasExp:
		return exp, errors.New("it has no expiry")
	case !now.Before(exp.Add(v.Leeway)):
		return exp, fmt.Errorf("it expired at %s, and it is %s here", exp.UTC().Format(layout), now.UTC().Format(layout))
	case now.Add(v.Leeway).Before(nbf):
		return exp, fmt.Errorf("it is not valid before %s, and it is %s here", nbf.UTC().Format(layout), now.UTC().Format(layout))
	case now.Add(v.Leeway).Before(iat):
		return exp, fmt.Errorf("it was issued at %s, and it is %s here", iat.UTC().Format(layout), now.UTC().Format(layout))
	case v.MaxAge > 0 && !hasIat:
		return exp, errors.New("it does not say when it was issued")
	case v.MaxAge > 0 && now.After(iat.Add(v.MaxAge+v.Leeway)):
		return exp, fmt.Errorf("it was issued at %s, more than %v ago", iat.UTC().Format(layout), v.MaxAge)
	}
	if oldest := iat.Add(v.MaxAge); v.MaxAge > 0 && oldest.Before(exp) {
		exp = oldest
	}
	return exp, nil
}

// time returns a NumericDate (RFC 7519 §2) and whether there is one.
func (o object) time(name string) (time.Time, bool, error) {
	v, ok := o[name]
	if !ok {
		return time.Time{}, false, nil
	}
	n, ok := v.(json.Number)
	if !ok {
		return time.Time{}, false, fmt.Errorf("its %q is not a number", name)
	}
	f, err := n.Float64()
	if err != nil || !(f >= 0 && f < 1<<40) { // the year 36812
		return time.Time{}, false, fmt.Errorf("its %q is no time", name)
	}
	whole, part := math.Modf(f)
	return time.Unix(int64(whole), int64(part*1e9)), true, nil
}

// texts returns a member that is a string or an array of strings.
func (o object) texts(name string) ([]string, error) {
	switch v := o[name].(type) {
	case nil:
		return nil, nil
	case string:
		return []string{v}, nil
	case []any:
		all := make([]string, len(v))
		for i := range v {
			s, ok := v[i].(string)
			if !ok {
				return nil, fmt.Errorf("its %q is not an array of strings", name)
			}
			all[i] = s
		}
		return all, nil
	}
	return nil, fmt.Errorf("its %q is neither a string nor an array of strings", name)
}

// scopes returns "scope" (RFC 8693 §4.2: separated by spaces) or "scp", as some issuers have it.
func (o object) scopes() []string {
	if s := o.text("scope"); s != "" {
		return strings.Fields(s)
	}
	scp, err := o.texts("scp")
	if err != nil {
		return nil
	}
	if len(scp) == 1 {
		return strings.Fields(scp[0])
	}
	return scp
}
