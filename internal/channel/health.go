package channel

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/naru-rpc/naru/balancer"
	"github.com/naru-rpc/naru/connectivity"
)

// Client-side health checking (gRFC A17): while a connection is up, grpc.health.v1.Health/Watch
// reports whether the service on it wants calls.
const healthMethod = "/grpc.health.v1.Health/Watch"

// healthStatuses are the names of grpc.health.v1.HealthCheckResponse.ServingStatus.
var healthStatuses = [...]string{"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"}

const healthServing = 1

// watchHealth begins to watch, or says at once that all is well if there is nothing to watch.
// Called by the event loop when the subConn has become READY, and when the service config says
// something else of health checking.
func (s *subConn) watchHealth() {
	if s.opts.OnHealth == nil || s.stopped || s.state != connectivity.Ready {
		return
	}
	config := s.ch.methods.Load().config.HealthCheckConfig
	if s.health != nil {
		s.health.stop()
		s.health = nil
	}
	s.gate.restart()
	if config == nil {
		s.tellHealth(connectivity.Ready, nil)
		return
	}
	s.health = &side{
		sub:    s,
		method: healthMethod,
		// message HealthCheckRequest { string service = 1; }
		req:   protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), config.ServiceName),
		heard: func(msg []byte) { s.healthHeard(config.ServiceName, msg) },
		ended: s.healthEnded,
	}
	// "the client will not consider the subchannel READY until" the first answer.
	s.tellHealth(connectivity.Connecting, nil)
	s.tendSides()
}

func (s *subConn) healthHeard(service string, msg []byte) {
	if n := healthStatus(msg); n != healthServing {
		name := fmt.Sprint(n)
		if n < uint64(len(healthStatuses)) {
			name = healthStatuses[n]
		}
		s.unhealthy(fmt.Sprintf("health check: the backend says that service %q is %s", service, name), nil)
		return
	}
	s.reportHealth(healthReport{state: connectivity.Ready})
}

// healthEnded: "If the Watch call fails with status UNIMPLEMENTED, the client will act as if health
// checking is disabled ... If the Watch call returns any other status, the subchannel will
// transition to connectivity state TRANSIENT_FAILURE" and call again.
func (s *subConn) healthEnded(err error) (again bool) {
	if unimplemented(err) {
		s.ch.cfg.Logger.Error("health checking is configured, and the backend does not offer it: taken for healthy",
			"target", s.ch.name, "address", s.addr.String())
		s.reportHealth(healthReport{state: connectivity.Ready})
		return false
	}
	s.unhealthy("health check: watching ended", err)
	return true
}

func (s *subConn) unhealthy(text string, err error) {
	s.reportHealth(healthReport{state: connectivity.TransientFailure, text: text, err: err})
}

func (s *subConn) tellHealth(st connectivity.State, err error) {
	if !s.stopped {
		s.opts.OnHealth(balancer.SubConnState{State: st, Err: err})
	}
}

// healthStatus reads message HealthCheckResponse { ServingStatus status = 1; }. What cannot be read
// is UNKNOWN.
func healthStatus(b []byte) (st uint64) {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return 0
		}
		b = b[n:]
		if num == 1 && typ == protowire.VarintType {
			st, n = protowire.ConsumeVarint(b)
		} else {
			n = protowire.ConsumeFieldValue(num, typ, b)
		}
		if n < 0 {
			return 0
		}
		b = b[n:]
	}
	return st
}
