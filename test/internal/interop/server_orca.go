package interop

import (
	"context"
	"time"

	orcadata "github.com/cncf/xds/go/xds/data/orca/v3"
	orcapb "github.com/cncf/xds/go/xds/service/orca/v3"
	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/status"
	testpb "google.golang.org/grpc/interop/grpc_testing"
)

// minReportInterval is how often StreamCoreMetrics reports at most. 30 s is what a server in
// service would use (gRFC A51); a test has no time for that.
const minReportInterval = time.Second

// StreamCoreMetrics sends the load at once and then at the interval asked for, until the caller
// goes away.
func (s *Server) StreamCoreMetrics(req *orcapb.OrcaLoadReportRequest, stream naru.ServerStreamingServer[orcadata.OrcaLoadReport]) error {
	tick := time.NewTicker(max(minReportInterval, req.ReportInterval.AsDuration()))
	defer tick.Stop()
	for {
		s.mu.Lock()
		load := s.load
		s.mu.Unlock()
		if err := stream.Send(load); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-stream.Context().Done():
			return status.FromContextError(stream.Context().Err()).Err()
		}
	}
}

func (s *Server) beginReporting(ctx context.Context) error {
	select {
	case s.reporting <- struct{}{}:
		return nil
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	}
}

func (s *Server) endReporting() { <-s.reporting }

func (s *Server) setLoad(load *orcadata.OrcaLoadReport) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.load = load
}

func loadOf(r *testpb.TestOrcaReport) *orcadata.OrcaLoadReport {
	return &orcadata.OrcaLoadReport{
		CpuUtilization: r.CpuUtilization,
		MemUtilization: r.MemoryUtilization,
		RequestCost:    r.RequestCost,
		Utilization:    r.Utilization,
	}
}
