// Package jwt verifies JSON Web Tokens (RFC 7519) that callers show as bearer tokens, and signs
// them for calls.
//
//	keys, err := jwt.Discover(ctx, "https://accounts.example.com", jwt.KeysConfig{})
//	tokens, err := jwt.NewVerifier(jwt.Config{
//		Issuer:    "https://accounts.example.com",
//		Audiences: []string{"shop"},
//		Keys:      keys,
//	})
//	srv, err := naru.NewServer(naru.WithAuthenticator(auth.Require(auth.Cached(tokens, auth.CacheConfig{}))))
//
// Signatures are checked by go-jose. What a token may be is narrower than the standards allow,
// after RFC 8725: only the algorithms that the configuration lists, each with keys of its own kind;
// no keys from the token itself; no headers that are not understood; no claim twice; an issuer, an
// audience, a subject and an expiry in every token.
package jwt
