package jwt

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/naru-rpc/naru/contrib/auth/internal/endpoint"
)

// maxDocument bounds a key set and a discovery document.
const maxDocument = 1 << 20

// get returns a document.
func get(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/json")
	res, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxDocument+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", url, err)
	case res.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s: %s", url, res.Status)
	case len(text) > maxDocument:
		return nil, fmt.Errorf("%s: the answer is longer than %d bytes", url, maxDocument)
	}
	return text, nil
}

// discover returns the key set that an issuer's configuration names.
func discover(ctx context.Context, issuer string, config KeysConfig) ([]byte, error) {
	at := strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration"
	text, err := get(ctx, config.Client, at)
	if err != nil {
		return nil, err
	}
	var doc struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("%s: %w", at, err)
	}
	// "The issuer value returned MUST be identical to the Issuer URL that was used" (Discovery 1.0
	// §4.3).
	if doc.Issuer != issuer {
		return nil, fmt.Errorf("%s names the issuer %.200q, want %q", at, doc.Issuer, issuer)
	}
	if err := endpoint.Check(doc.Keys, config.AllowHTTP); err != nil {
		return nil, fmt.Errorf("%s: jwks_uri: %w", at, err)
	}
	return get(ctx, config.Client, doc.Keys)
}
