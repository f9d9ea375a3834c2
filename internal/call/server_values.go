package call

import (
	"context"

	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/metadata"
)

type serverCallKey struct{}

// ServerCallFrom returns the server call ctx belongs to, nil if it is none's.
func ServerCallFrom(ctx context.Context) *ServerCall {
	c, _ := ctx.Value(serverCallKey{}).(*ServerCall)
	return c
}

// Value implements context.Context.
func (c *ServerCall) Value(key any) any {
	switch key.(type) {
	case serverCallKey:
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
func (c *ServerCall) String() string { return "naru.call(" + c.path + ")" }

// IncomingMetadata implements metadata.Incoming. It is built when first asked for.
func (c *ServerCall) IncomingMetadata() metadata.MD {
	if md := c.incoming.Load(); md != nil {
		return *md
	}
	md := metadataOf(c.fields)
	if c.authority != "" {
		_ = md.AddWire(":authority", c.authority)
	}
	c.incoming.CompareAndSwap(nil, &md)
	return *c.incoming.Load()
}

// IncomingValues implements metadata.Incoming.
func (c *ServerCall) IncomingValues(key string) []string {
	if md := c.incoming.Load(); md != nil {
		return (*md)[key]
	}
	if metadata.IsProtocol(key) {
		return c.IncomingMetadata()[key]
	}
	var values []string
	for i := range c.fields {
		if c.fields[i].Name == key {
			if more, err := metadata.AppendDecoded(values, key, c.fields[i].Value); err == nil {
				values = more
			}
		}
	}
	return values
}

// FullMethod is the path called.
func (c *ServerCall) FullMethod() string { return c.path }

// Authority is the :authority the client named.
func (c *ServerCall) Authority() string { return c.authority }

// Conn describes the connection.
func (c *ServerCall) Conn() *transport.ConnInfo { return c.conn }

// Draining is closed when the connection or the server takes no new calls.
func (c *ServerCall) Draining() <-chan struct{} { return c.conn.Draining }
