// Package naru is a gRPC stack: server, client and call options over its own HTTP/2.
package naru
