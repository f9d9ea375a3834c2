// Package resolver turns a target such as "dns:///shop.example.com:443" into the endpoints
// that serve it, and keeps the list fresh.
//
// A [Builder] knows one URI scheme. Builders are collected in a [Registry], which is a
// value: there is no global table, and a client uses exactly the builders it was given.
// The built-in ones are functions of this package ([DNS], [Passthrough], [Unix], ...).
//
// # A scheme of your own
//
// Most schemes need no more than a function that looks names up; see [Func] and its example.
// A scheme that is told about changes implements [Resolver] itself.
//
// # Goroutines
//
// The channel runs [Resolver.Run] on one goroutine, ends it by its context, and waits for
// it when the channel closes. Resolvers of this package start none of their own.
//
// # Known limitations
//
// The time to live of DNS records is not known to net.Resolver and not looked at; names are polled.
// Of SRV records only the best priority that resolves is used: there is no failing over to the next
// by health.
package resolver
