// Package credentials holds what a call takes along to say who makes it.
//
// Credentials of connections (TLS, client certificates) are a tls.Config and need no type here;
// package credentials/devcert makes certificates for development and tests.
package credentials
