package channel

import (
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/naru-rpc/naru/balancer"
)

// Load reports out of band (gRFC A51).
const loadMethod = "/xds.service.orca.v3.OpenRcaService/StreamCoreMetrics"

// defaultLoadInterval is what WatchLoad takes for 0: gRFC A58's oob_reporting_period.
const defaultLoadInterval = 10 * time.Second

// WatchLoad implements balancer.SubConn.
func (s *subConn) WatchLoad(interval time.Duration, f func(*balancer.LoadReport)) {
	if s.load != nil {
		s.load.stop()
		s.load = nil
	}
	if f == nil || s.stopped {
		return
	}
	if interval <= 0 {
		interval = defaultLoadInterval
	}
	s.load = &side{
		sub:    s,
		method: loadMethod,
		req:    loadRequest(interval),
		heard: func(msg []byte) {
			var r balancer.LoadReport
			if balancer.ParseLoadReport(string(msg), &r) == nil && !s.stopped {
				f(&r)
			}
		},
		ended: s.loadEnded,
	}
	s.tendSides()
}

// loadEnded: "If the StreamCoreMetrics call fails with status UNIMPLEMENTED, the client will not
// retry the call ... It will also log a message at priority ERROR. If the StreamCoreMetrics call
// returns any other status, the client will retry the call."
func (s *subConn) loadEnded(err error) (again bool) {
	if unimplemented(err) {
		s.ch.cfg.Logger.Error("load reports are configured, and the backend does not offer them",
			"target", s.ch.name, "address", s.addr.String())
		return false
	}
	return true
}

// loadRequest is message OrcaLoadReportRequest { google.protobuf.Duration report_interval = 1; }.
func loadRequest(interval time.Duration) []byte {
	var d []byte
	d = protowire.AppendTag(d, 1, protowire.VarintType)
	d = protowire.AppendVarint(d, uint64(interval/time.Second))
	d = protowire.AppendTag(d, 2, protowire.VarintType)
	d = protowire.AppendVarint(d, uint64(interval%time.Second))
	return protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), d)
}

// tendSides lets the sides run on the oldest connection there is. Called by the event loop whenever
// that may have changed.
func (s *subConn) tendSides() {
	var c *conn
	if list := s.list(); len(list) > 0 && !s.stopped {
		c = list[0]
	}
	if c == nil {
		s.gate.restart() // health is of a connection
	}
	if s.health != nil {
		s.health.tend(c)
	}
	if s.load != nil {
		s.load.tend(c)
	}
}
