package naru

import "time"

// Keepalive says how long connections are kept: how one whose peer has died is found, and when one
// that works is given up. Every field at zero means the default of the side it is for.
//
// A PING goes out when nothing was received for Interval, and the connection is given up when
// nothing is received for Timeout after that. A client pings only while calls are open, unless
// WithoutCalls is set. Servers end connections on which pings come too often while they have
// nothing to say (GOAWAY too_many_pings, gRFC A8), by default when a third one comes within 5
// minutes of the one before. A client keeps away from that by itself: since the server last sent a
// header or a message of any call, two pings go out at Interval, and further ones 5 minutes after
// the one before was answered. A peer that dies is found
//
//   - within Interval and Timeout as a rule,
//   - in a long quiet stretch within another 5 minutes; or, on Linux, within UserTimeout of the
//     next thing that is sent, if it is the network or the machine that died.
//
// If a server ends a connection for its pings all the same, the client pings half as often on later
// connections, and no more than twice until the server has sent something.
type Keepalive struct {
	// Interval is the time without received bytes after which a PING is sent. 0: 30 s for clients,
	// 2 hours for servers. Negative: none. Others are at least 1 s; for clients 10 s, unless
	// PermittedInterval is less.
	Interval time.Duration
	// Timeout is the time to wait for an answer. 0: 20 s.
	Timeout time.Duration

	// PermittedInterval is what the servers of a client permit: pings that are this far apart even
	// if the server sends nothing between them. 0: the default of servers, 5 minutes. It is MinTime
	// of grpc-go's keepalive.EnforcementPolicy, and PingInterval of [limits.Limits]. Servers do not
	// use it.
	PermittedInterval time.Duration
	// WithoutCalls lets a client ping also while no call is open, which its servers must permit:
	// PermitWithoutStream of grpc-go's keepalive.EnforcementPolicy, and PingWithoutStreams of
	// [Limits]. Servers do not use it: they do so in any case.
	WithoutCalls bool
	// UserTimeout bounds how long data a client has sent may stay unacknowledged before the
	// connection is given up (TCP_USER_TIMEOUT, gRFC A18; Linux only). 0: Timeout, if the client
	// sends pings, else the system's. Negative: the system's. Servers do not use it.
	UserTimeout time.Duration

	// MaxConnectionIdle is how long a connection stays open without a call. 0: 30 minutes for
	// clients, which connect again for the next call, and for ever for servers, which drain the
	// connection (gRFC A9). Negative: for ever.
	MaxConnectionIdle time.Duration
	// MaxConnectionAge is how old a server's connection gets before it is drained, 10 % more or
	// less so that clients do not all come back at once. 0 and negative: as old as it likes.
	// Clients notice nothing if they handle GOAWAY, as gRPC clients do (gRFC A9), and do not use
	// it.
	MaxConnectionAge time.Duration
	// MaxConnectionAgeGrace is how long the calls of a connection that is drained for its age may
	// take; then it is closed, whatever still runs. 0 and negative: as long as they like. Clients
	// do not use it.
	MaxConnectionAgeGrace time.Duration
}

const (
	// defaultKeepaliveInterval of clients finds a dead path within a minute. It stays below what
	// servers punish, as no more than two pings are sent that the server could take for too early.
	defaultKeepaliveInterval = 30 * time.Second
	defaultKeepaliveTimeout  = 20 * time.Second
	// defaultServerKeepalive of servers is gRPC's (GRPC_ARG_KEEPALIVE_TIME_MS; also grpc-go): it
	// lets go of connections whose clients have vanished without a word, and wakes hardly any
	// client.
	defaultServerKeepalive = 2 * time.Hour
	// minKeepalive: gRFC A8, "a minimum of 10 seconds" for clients.
	minKeepalive = 10 * time.Second
	// maxKeepalive can be doubled a few times without an overflow.
	maxKeepalive = 365 * 24 * time.Hour
)

// WithKeepalive sets how long connections are kept. Several such options add up: a field that is
// not zero replaces what options before said of it. Without this option: Keepalive{}.
func WithKeepalive(k Keepalive) Option {
	return option{func(c *sharedConfig) {
		if k.Timeout < 0 {
			c.bad("WithKeepalive: Timeout %v is negative; want 0 for 20s, or more", k.Timeout)
		}
		if k.PermittedInterval < 0 {
			c.bad("WithKeepalive: PermittedInterval %v is negative; want 0 for 5m, or more", k.PermittedInterval)
		}
		c.keepalive = c.keepalive.merge(k)
	}}
}

// withDefaults returns k for a side whose default interval is def.
func (k Keepalive) withDefaults(def time.Duration) Keepalive {
	if k.Interval == 0 {
		k.Interval = def
	}
	if k.Interval > 0 {
		k.Interval = min(max(k.Interval, time.Second), maxKeepalive)
	}
	k.PermittedInterval = min(k.PermittedInterval, maxKeepalive)
	if k.Timeout == 0 {
		k.Timeout = defaultKeepaliveTimeout
	}
	if k.UserTimeout == 0 && k.Interval > 0 {
		k.UserTimeout = k.Timeout // gRFC A18: "if keepalive is enabled, TCP_USER_TIMEOUT is set to the keepalive timeout"
	}
	k.UserTimeout = max(k.UserTimeout, 0)
	return k
}

// merge returns k with the fields of over that are not zero.
func (k Keepalive) merge(over Keepalive) Keepalive {
	for _, f := range []struct{ to, from *time.Duration }{
		{&k.Interval, &over.Interval}, {&k.Timeout, &over.Timeout}, {&k.PermittedInterval, &over.PermittedInterval},
		{&k.UserTimeout, &over.UserTimeout}, {&k.MaxConnectionIdle, &over.MaxConnectionIdle},
		{&k.MaxConnectionAge, &over.MaxConnectionAge}, {&k.MaxConnectionAgeGrace, &over.MaxConnectionAgeGrace},
	} {
		if *f.from != 0 {
			*f.to = *f.from
		}
	}
	k.WithoutCalls = k.WithoutCalls || over.WithoutCalls
	return k
}
