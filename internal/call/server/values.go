package server

import (
	"context"

	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/metadata"
)

type callKey struct{}

// FromContext returns the server call ctx belongs to, nil if it is none's.
func FromContext(ctx context.Context) *Call {
	c, _ := ctx.Value(callKey{}).(*Call)
	return c
}

// Value implements context.Context.
func (c *Call) Value(key any) any {
	switch key.(type) {
	case callKey:
		return c
	case metadata.IncomingKey:
		return metadata.Incoming(c)
	}
	if key == stdCancelKey {
		return c.std().Value(key)
	}
	if c.env.Base != nil {
		return c.env.Base.Value(key)
	}
	return nil
}

// String is what %v prints of a context.
func (c *Call) String() string { return "naru.call(" + c.path + ")" }

// IncomingMetadata implements metadata.Incoming. It is built when first asked for.
func (c *Call) IncomingMetadata() metadata.MD {
	if md := c.incoming.Load(); md != nil {
		return *md
	}
	md := wire.MetadataOf(c.fields)
	if c.authority != "" {
		_ = wire.AddMetadata(md, ":authority", c.authority)
	}
	c.incoming.CompareAndSwap(nil, &md)
	return *c.incoming.Load()
}

// IncomingValues implements metadata.Incoming.
func (c *Call) IncomingValues(key string) []string {
	if md := c.incoming.Load(); md != nil {
		return (*md)[key]
	}
	if metadata.IsProtocol(key) {
		return c.IncomingMetadata()[key]
	}
	var values []string
	for i := range c.fields {
		if c.fields[i].Name == key {
			if more, err := wire.AppendDecoded(values, key, c.fields[i].Value); err == nil {
				values = more
			}
		}
	}
	return values
}

// FullMethod is the path called.
func (c *Call) FullMethod() string { return c.path }

// Authority is the :authority the client named.
func (c *Call) Authority() string { return c.authority }

// Conn describes the connection.
func (c *Call) Conn() *transport.ConnInfo { return c.conn }

// Draining is closed when the connection or the server takes no new calls.
func (c *Call) Draining() <-chan struct{} { return c.conn.Draining }
