// Package naru is a gRPC stack: server, client and call options over its own HTTP/2. It talks to
// every other implementation of gRPC, and to messages that protoc-gen-go generates.
//
// # Servers
//
// [NewServer], generated Register functions, [Server.ListenAndServe]:
//
//	srv, err := naru.NewServer()
//	shop.RegisterProductInfoServer(srv, &products{})
//	err = srv.ListenAndServe(ctx, ":50051") // until ctx ends, then drains
//
// Handlers return errors made by package status. Their context ends when the client gives up, when
// its deadline passes, and when the handler has returned. [SetHeader], [SetTrailer],
// [PeerFromContext] and [Draining] work with it in calls of every kind. A panic ends its call
// alone, with INTERNAL.
//
// # Clients
//
// [NewClient] for a target elsewhere, [InProcess] for a server in the same program. Connections use
// TLS unless [WithPlaintext] says otherwise. Every error is a status error; those the client makes
// itself tell what the time went on, what the last connection error was, and which setting decided.
//
// # Interceptors
//
// One type, [Interceptor], for calls of all kinds on both sides; [WithAuthenticator] for what has
// to be settled before a message is read.
//
// # Limits
//
// Everything a peer can make this side hold or do has a limit, which the error that it causes names
// together with the option that changes it: [WithLimits].
//
// # Known limitations
//
// Interim (1xx) responses of an http.Handler are not sent.
package naru
