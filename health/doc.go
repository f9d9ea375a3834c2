// Package health tells callers, load balancers and orchestrators whether a server, or one of
// its services, is fit to take calls: gRPC's health checking protocol
// (https://github.com/grpc/grpc/blob/master/doc/health-checking.md), server and client.
//
//	h := health.NewServer()
//	health.Register(server, h)
//	h.SetServingStatus("ecommerce.ProductInfo", health.Serving)
//	...
//	h.Shutdown() // before server.Shutdown, so that callers go elsewhere first
//
// Kubernetes' gRPC probes, grpc_health_probe and the client-side health checks of gRPC
// libraries (gRFC A17) work with it. Nothing has to be imported for its side effects.
//
// Watch streams end with UNAVAILABLE when their server or connection drains, so that they
// hold up no shutdown; watchers start anew elsewhere.
//
// The package starts no goroutines.
package health
