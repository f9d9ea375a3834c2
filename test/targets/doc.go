// Package targets compares how naru and grpc-go understand target strings: the addresses they dial
// and the authority of calls.
package targets
