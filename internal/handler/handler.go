// Package handler holds the handler of a method as the server runs it. Package stub makes it from
// typed functions, and the root package runs it inside the interceptors.
package handler

import (
	"context"

	"github.com/naru-rpc/naru/internal/call/server"
)

// A Func receives the request, runs the program's function, and sends the response. req is the
// request if an interceptor had it decoded or supplied it; if it is nil, Func receives it from c.
type Func func(ctx context.Context, c *server.Call, req any) error

// Handler is the handler of one method. The zero Handler is none.
type Handler struct {
	// NewRequest makes a message for the only request of a call. It is nil if the client may send
	// several.
	NewRequest func() any
	// Serve serves one call.
	Serve Func
}
