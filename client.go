package naru

import "context"

// Client is a channel to one target. Safe for concurrent use.
type Client struct{}

func NewClient(target string, opts ...ClientOption) (*Client, error) { panic("BUG: skeleton") }

// InProcess returns a client whose calls go to srv without a network.
func InProcess(srv *Server, opts ...ClientOption) (*Client, error) { panic("BUG: skeleton") }

func (c *Client) Invoke(ctx context.Context, method *MethodInfo, req, res any, opts ...CallOption) error {
	panic("BUG: skeleton")
}
func (c *Client) NewStream(ctx context.Context, method *MethodInfo, opts ...CallOption) (ClientStream, error) {
	panic("BUG: skeleton")
}
func (c *Client) Close() error { panic("BUG: skeleton") }
