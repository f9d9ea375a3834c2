package naru

import "net/http"

var _ http.Handler = (*Server)(nil)

// ServeHTTP implements [http.Handler]: it serves gRPC calls of all kinds on a net/http server, with
// the same services, interceptors, authenticator and limits as Serve, and beside it if need be. The
// net/http server must speak HTTP/2: with TLS it does, and without if its Protocols have
// SetUnencryptedHTTP2(true). gRPC requests over HTTP/1.1 are answered with status 505; requests
// that are not gRPC go to the handler of [WithHTTPHandler], or are answered with status 415.
//
// Connections belong to the net/http server, and so do the options about them: TLS, keepalive,
// connection age and counts, streams of a connection, and those of [limits.Limits] about frames.
// Limits of messages, header lists, memory and handlers are this server's. [Peer] has the addresses
// and TLS state that the request has; its ConnectionID stays the same while calls run on the
// connection. The path is the request's as a handler around this one leaves it, for instance
// http.StripPrefix.
//
// [Server.Shutdown] answers further calls with UNAVAILABLE, asks clients to close their
// connections, and waits for the calls that run: call it before, or as, the net/http server's
// Shutdown, which does not end streams. Mistakes of RegisterService are logged, and calls answered
// with INTERNAL.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	core, err := s.start()
	if err != nil {
		s.cfg.logger.Error("naru: not serving", "error", err)
		h := w.Header()
		h.Set("Content-Type", "application/grpc")
		h.Set("Grpc-Status", "13")
		h.Set("Grpc-Message", "the server's services are not registered as they should be")
		w.WriteHeader(http.StatusOK)
		return
	}
	core.ServeHTTP(w, r)
}
