// Package hpackdiff holds our HPACK coder against golang.org/x/net/http2/hpack, in both
// directions and on bytes nobody's encoder made. It has tests only.
package hpackdiff
