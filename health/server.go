package health

import (
	"context"
	"sync"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/health/healthpb"
	"github.com/naru-rpc/naru/status"
)

// Status is the condition of a service.
type Status = healthpb.HealthCheckResponse_ServingStatus

// The conditions. ServiceUnknown is what Watch reports of a service the server does not know.
const (
	Unknown        Status = healthpb.HealthCheckResponse_UNKNOWN
	Serving        Status = healthpb.HealthCheckResponse_SERVING
	NotServing     Status = healthpb.HealthCheckResponse_NOT_SERVING
	ServiceUnknown Status = healthpb.HealthCheckResponse_SERVICE_UNKNOWN
)

// maxListed is how many services List answers with. The protocol leaves the bound to servers
// and demands RESOURCE_EXHAUSTED above it.
const maxListed = 1000

// Server keeps the statuses of a server's services and answers for them. Safe for concurrent
// use.
type Server struct {
	mu sync.Mutex

	// guarded by mu
	statuses map[string]Status
	shutdown bool
	changed  chan struct{} // unbuffered; closed, and replaced, with every change
}

// NewServer returns a server whose service "", by which the whole is meant, is Serving.
func NewServer() *Server {
	return &Server{
		statuses: map[string]Status{"": Serving},
		changed:  make(chan struct{}),
	}
}

// SetServingStatus makes s the status of a service, given by its full name; "" is the server as a
// whole. Watchers are told; those that are slow may miss statuses in between. ServiceUnknown
// makes the server forget the service. After Shutdown it does nothing until Resume.
func (h *Server) SetServingStatus(service string, s Status) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.shutdown {
		return
	}
	was, known := h.statuses[service]
	switch {
	case s == ServiceUnknown:
		delete(h.statuses, service)
	case known && was == s:
		return
	default:
		h.statuses[service] = s
	}
	h.announceLocked()
}

// Shutdown makes every status NotServing and keeps it so until Resume. To be called before
// the RPC server is shut down, with time enough for callers to notice.
func (h *Server) Shutdown() { h.setAll(true, NotServing) }

// Resume undoes Shutdown: every status becomes Serving, whatever it was before.
func (h *Server) Resume() { h.setAll(false, Serving) }

func (h *Server) setAll(shutdown bool, s Status) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.shutdown = shutdown
	for service := range h.statuses {
		h.statuses[service] = s
	}
	h.announceLocked()
}

func (h *Server) announceLocked() {
	close(h.changed)
	h.changed = make(chan struct{})
}

// current returns a service's status and a channel that is closed with the next change.
func (h *Server) current(service string) (Status, <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s, known := h.statuses[service]
	if !known {
		s = ServiceUnknown
	}
	return s, h.changed
}

// check answers Check: "If the service name is not registered, the server returns a NOT_FOUND".
func (h *Server) check(_ context.Context, req *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	s, _ := h.current(req.GetService())
	if s == ServiceUnknown {
		return nil, status.Errorf(codes.NotFound, "health: service %.200q is not known", req.GetService())
	}
	return &healthpb.HealthCheckResponse{Status: s}, nil
}

func (h *Server) list(context.Context, *healthpb.HealthListRequest) (*healthpb.HealthListResponse, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := len(h.statuses); n > maxListed {
		return nil, status.Errorf(codes.ResourceExhausted, "health: %d services, more than the %d that are listed; check them one by one", n, maxListed)
	}
	all := make(map[string]*healthpb.HealthCheckResponse, len(h.statuses))
	for service, s := range h.statuses {
		all[service] = &healthpb.HealthCheckResponse{Status: s}
	}
	return &healthpb.HealthListResponse{Statuses: all}, nil
}

// watch answers Watch: the status at once and whenever it is another than the one sent last.
func (h *Server) watch(req *healthpb.HealthCheckRequest, stream naru.ServerStreamingServer[healthpb.HealthCheckResponse]) error {
	ctx := stream.Context()
	draining := naru.Draining(ctx)
	sent := Status(-1)
	for ending := false; ; {
		s, changed := h.current(req.GetService())
		if s != sent {
			if err := stream.Send(&healthpb.HealthCheckResponse{Status: s}); err != nil {
				return err
			}
			sent = s
		}
		if ending {
			return status.Error(codes.Unavailable, "health: the connection is draining; watch again")
		}
		select {
		case <-changed:
		case <-draining:
			ending = true // after what Shutdown may have changed in the meantime
		case <-ctx.Done():
			return status.FromContextError(ctx.Err()).Err()
		}
	}
}
