// Package credentials holds what a call takes along to say who makes it, and makes TLS
// configurations from files.
//
// Credentials of connections are a tls.Config: naru.WithTLS takes one, and naru.WithTLSFiles takes
// [TLSFiles]. Package credentials/devcert makes certificates for development and tests.
package credentials
