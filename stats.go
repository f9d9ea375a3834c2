package naru

// ServerStats is what a server counts of itself since it began to serve.
type ServerStats struct {
	// Connections and OpenCalls are the connections open and the calls running now.
	Connections, OpenCalls int
	// Accepted is how many connections were accepted, those refused for a limit included.
	Accepted uint64
	// HeldBytes are the bytes that count against [limits.Limits].ServerMemory now: of messages that
	// the program has not taken and of responses that clients have not, within 4 KiB for each
	// connection.
	HeldBytes int64
	// Ended counts, by reason, the connections that have ended, and the streams this side ended or
	// refused for what the peer did. Reasons are short stable words; those of [limits.Limits] stand
	// there, others are "eof" (the peer closed), "read" and "write" (the socket failed), "drained",
	// "message_too_large", also when decompressed, "message_malformed", "message_count" (of a
	// method that takes one), "peer_header_list" (a response with more header or trailer than the
	// client accepts: it got a status with less), "unknown_method", "not_grpc", "not_post",
	// "max_age", "max_idle", "server_closed", "http1" (handed over), "http1_grpc" (gRPC over
	// HTTP/1.1), "goaway".
	Ended map[string]uint64
}

// Stats returns the server's counters. The map is the caller's.
func (s *Server) Stats() ServerStats {
	s.mu.Lock()
	core := s.core
	s.mu.Unlock()
	if core == nil {
		return ServerStats{Ended: map[string]uint64{}}
	}
	return ServerStats{
		Connections: core.Connections(), OpenCalls: core.OpenCalls(),
		Accepted: core.Accepted(), HeldBytes: core.HeldBytes(), Ended: core.Ended(),
	}
}
