package channel

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/naru-rpc/naru/balancer"
	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/internal/call/client"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/status"
)

var _ client.Channel = (*Channel)(nil)

// pick is one pick under way: what the picker is told and what it chose. Reused, so that a pick
// does not allocate; its done function is made once with it.
type pick struct {
	info balancer.CallInfo
	pick balancer.Pick
	conn *conn
	done func(client.DoneInfo)
	end  balancer.DoneInfo
}

var picks sync.Pool

func newPick(info *client.PickInfo) *pick {
	p, _ := picks.Get().(*pick)
	if p == nil {
		p = &pick{}
		p.done = p.finish
	}
	p.info = balancer.CallInfo{Method: info.FullMethod, Metadata: info.Metadata, Attempt: info.Attempt, Streaming: info.Streaming}
	return p
}

func (p *pick) free() {
	p.info = balancer.CallInfo{}
	p.pick.Reset()
	p.conn = nil
	p.end = balancer.DoneInfo{}
	picks.Put(p)
}

// undo tells those who wait for the end of the attempt that there is none: nothing was sent.
func (p *pick) undo() {
	p.end = balancer.DoneInfo{}
	p.pick.Done(&p.end)
	p.pick.Reset()
}

// finish is the done function of a pick.
func (p *pick) finish(info client.DoneInfo) {
	if p.conn == nil {
		panic("BUG: a pick's done was called twice")
	}
	if p.pick.Watched() {
		p.end = balancer.DoneInfo{
			Code: status.Code(info.Err), Err: info.Err, Sent: info.Sent, Received: info.Received,
			Load: loadReport(info.Trailers),
		}
		p.pick.Done(&p.end)
	}
	c := p.conn
	p.free()
	if info.Received && !c.useful.Load() {
		c.useful.Store(true)
	}
	c.give()
}

// loadHeader carries a load report with a response: gRFC A51, "Per-Query Metrics Reporting".
const loadHeader = "endpoint-load-metrics-bin"

// loadReport returns the report among the trailers, "" if there is none that can be read.
// PROTOCOL-HTTP2.md: a "-bin" header's value is base64 on the wire, and "implementations MUST
// accept padded and un-padded values".
func loadReport(trailers []transport.Field) string {
	for i := range trailers {
		if trailers[i].Name != loadHeader {
			continue
		}
		wire, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(trailers[i].Value, "="))
		if err != nil {
			return ""
		}
		return string(wire)
	}
	return ""
}

// Pick implements client.Channel.
func (c *Channel) Pick(ctx context.Context, info *client.PickInfo) (transport.ClientConn, func(client.DoneInfo), error) {
	p := newPick(info)
	snap := c.snap.Load()
	if snap.state == connectivity.Ready && info.Full == nil && len(info.Avoid) == 0 {
		err := snap.picker.Pick(&p.info, &p.pick)
		if err == nil {
			if t, _ := subConnOf(p.pick.SubConn).slots.take(); t != nil {
				// The first attempt finds out by Open that the connection has just ended. The ones
				// after it must not find the same.
				if info.Attempt <= 1 || !t.ended() {
					p.conn, p.info.Metadata = t, nil // lent until here
					return t.t, p.done, nil
				}
				t.give()
			}
			p.undo()
		}
		p.pick.Reset()
	}
	t, err := c.pickSlow(ctx, info, p)
	if err != nil {
		p.free()
		return nil, nil, err
	}
	p.conn, p.info.Metadata = t, nil
	return t.t, p.done, nil
}

// subConnOf returns the channel's own part of what a picker chose.
func subConnOf(sc balancer.SubConn) *subConn {
	for {
		switch s := sc.(type) {
		case *subConn:
			return s
		case balancer.Unwrapper:
			sc = s.Unwrap()
		default:
			panic("BUG: a picker returned a SubConn that the channel did not make")
		}
	}
}

// repicks is how often a picker is asked again because its choice is one to avoid. A rotating
// policy gets past a backend with the first, a random one with high probability.
const repicks = 4

// choose asks the picker, more than once if it chose a connection that the call wants to avoid. The
// last answer counts: avoiding is a wish.
func (c *Channel) choose(snap *snapshot, info *client.PickInfo, p *pick) error {
	for i := 0; ; i++ {
		err := snap.picker.Pick(&p.info, &p.pick)
		if err != nil || i == repicks || !avoided(p.pick.SubConn, info.Avoid) {
			return err
		}
		p.undo()
	}
}

func avoided(sc balancer.SubConn, avoid []transport.ClientConn) bool {
	if len(avoid) == 0 {
		return false
	}
	for _, t := range subConnOf(sc).list() {
		if slices.Contains(avoid, t.t) {
			return true
		}
	}
	return false
}

// MethodConfig implements client.Channel.
func (c *Channel) MethodConfig(ctx context.Context, fullMethod string, deadline time.Time) (*client.MethodConfig, error) {
	select {
	case <-c.resolved:
	default:
		if c.cfg.ParseServiceConfig != nil {
			if err := c.awaitResolved(ctx, deadline); err != nil {
				return nil, err
			}
		}
	}
	return c.methods.Load().find(fullMethod), nil
}

// Throttle implements client.Channel.
func (c *Channel) Throttle() *client.Throttle { return c.methods.Load().throttle }
