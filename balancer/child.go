package balancer

import "time"

// child is the one child of a policy around another. The balancer is replaced when the name of the
// child's policy changes.
type child struct {
	// immutable
	host func(*childHost) Host // makes the Host the balancer gets around the plain one
	base Host
	// owned by the channel's event loop
	bal  Balancer // nil: none yet
	name string
	cur  *childHost
}

func (c *child) update(u Update, p Policy) error {
	if c.bal == nil || c.name != p.Name() {
		c.close()
		c.cur = &childHost{Host: c.base}
		c.name, c.bal = p.Name(), p.New(c.host(c.cur))
	}
	u.Policy = p
	return c.bal.Update(u)
}

func (c *child) fail(err error) {
	if c.bal != nil {
		c.bal.Fail(err)
	}
}

func (c *child) exitIdle() {
	if c.bal != nil {
		c.bal.ExitIdle()
	}
}

func (c *child) close() {
	if c.bal != nil {
		c.cur.closed = true
		c.bal.Close()
		c.bal = nil
	}
}

// childHost keeps events away from a balancer that is closed.
type childHost struct {
	Host
	closed bool // owned by the channel's event loop
}

func (h *childHost) Publish(s State) {
	if !h.closed {
		h.Host.Publish(s)
	}
}

func (h *childHost) Later(f func()) { h.Host.Later(h.unlessClosed(f)) }

func (h *childHost) AfterFunc(d time.Duration, f func()) (stop func()) {
	return h.Host.AfterFunc(d, h.unlessClosed(f))
}

func (h *childHost) unlessClosed(f func()) func() {
	return func() {
		if !h.closed {
			f()
		}
	}
}
