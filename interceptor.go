package naru

import "context"

// An Interceptor wraps one call of any kind, on either side. It may look at and change headers before
// next, refuse by returning an error instead of calling next, watch or replace messages through call's
// hooks, and see the final status after. On a server it runs before the message is decoded.
type Interceptor func(ctx context.Context, call *Call, next func(context.Context) error) error

// Call is what an interceptor sees of a call.
type Call struct{ method *MethodInfo }

// Method returns the method called.
func (c *Call) Method() *MethodInfo { return c.method }
