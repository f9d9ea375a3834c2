// Package devcert makes certificates for development and tests: an authority of one's own
// and certificates signed by it, with nothing but the standard library.
//
//	ca, err := devcert.NewAuthority("shop", 24*time.Hour)
//	server, err := ca.Issue(devcert.Request{Hosts: []string{"localhost", "127.0.0.1"}})
//	naru.WithTLS(server.ServerConfig())           // on the server
//	naru.WithTLS(ca.ClientConfig())               // on the client
//
// Keys are ECDSA P-256 (NIST), which every TLS stack takes. It is not for production: keys lie in
// memory and files unprotected, and nothing can be revoked.
package devcert
