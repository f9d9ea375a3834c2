// Package limits holds the bounds on what a peer can make a server or a client hold and do: one
// struct, [Limits], for both sides, for the methods of a service, and for single calls.
//
//	srv, err := naru.NewServer(naru.WithLimits(limits.Limits{
//		MaxReceiveMessageSize: 16 << 20, // bytes
//		MaxConnections:        10_000,
//	}))
//
// There is one rule: zero means the default, negative means no limit; the three fields that differ
// say so. The error that a limit causes names the field, as "Limits.MaxReceiveMessageSize".
//
// The values of this package are plain data. They are safe for concurrent use as long as nobody
// changes them, and servers and clients keep copies.
package limits
