// Package matrix runs the same small calls in every combination: kinds of calls, clients, servers,
// transports, what is large and how large, and how and when a call ends. What is expected of a row
// is computed from gRPC's specification and the limits both ends were given.
package matrix
