package interop

import (
	"context"
	"fmt"
	"time"

	orcadata "github.com/cncf/xds/go/xds/data/orca/v3"
	orcapb "github.com/cncf/xds/go/xds/service/orca/v3"
	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/metadata"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

const (
	initialValue  = "test_initial_metadata_value"
	trailingValue = "\x0a\x0b\x0a\x0b\x0a\x0b"
)

func customMetadata(ctx context.Context, p *Peer) error {
	send := naru.WithMetadata(initialKey, initialValue, trailingKey, trailingValue)
	var header, trailer metadata.MD
	res, err := p.test.UnaryCall(ctx, &testpb.SimpleRequest{ResponseSize: 1, Payload: zeros(1)},
		send, naru.CaptureHeader(&header), naru.CaptureTrailer(&trailer))
	if err != nil {
		return err
	}
	if err := checkPayload(res.Payload, 1); err != nil {
		return err
	}
	if err := checkEcho(header, trailer); err != nil {
		return fmt.Errorf("unary: %w", err)
	}
	stream, err := p.test.FullDuplexCall(ctx, send)
	if err != nil {
		return err
	}
	defer stream.Close()
	if err := stream.Send(&testpb.StreamingOutputCallRequest{
		ResponseParameters: []*testpb.ResponseParameters{{Size: 1}},
		Payload:            zeros(1),
	}); err != nil {
		return err
	}
	if header, err = stream.Header(); err != nil {
		return err
	}
	if _, err := stream.Recv(); err != nil {
		return err
	}
	if err := endOf(stream); err != nil {
		return err
	}
	if err := checkEcho(header, stream.Trailer()); err != nil {
		return fmt.Errorf("stream: %w", err)
	}
	return nil
}

func checkEcho(header, trailer metadata.MD) error {
	if got := header.Get(initialKey); len(got) != 1 || got[0] != initialValue {
		return fmt.Errorf("header %s is %q, want %q once", initialKey, got, initialValue)
	}
	if got := trailer.Get(trailingKey); len(got) != 1 || got[0] != trailingValue {
		return fmt.Errorf("trailer %s is %q, want %q once", trailingKey, got, trailingValue)
	}
	return nil
}

// Loads that the ORCA cases set and want back.
var (
	perCallLoad = &testpb.TestOrcaReport{
		CpuUtilization:    0.8210,
		MemoryUtilization: 0.5847,
		RequestCost:       map[string]float64{"cost": 3456.32},
		Utilization:       map[string]float64{"util": 0.30499},
	}
	serverLoads = []*testpb.TestOrcaReport{
		{CpuUtilization: 0.8210, MemoryUtilization: 0.5847, Utilization: map[string]float64{"util": 0.30499}},
		{CpuUtilization: 0.29309, MemoryUtilization: 0.2, Utilization: map[string]float64{"util": 0.2039}},
	}
)

// orcaPerRPC wants a call's load report in its trailers (gRFC A51).
func orcaPerRPC(ctx context.Context, p *Peer) error {
	var trailer metadata.MD
	req := &testpb.SimpleRequest{OrcaPerQueryReport: perCallLoad}
	if _, err := p.test.UnaryCall(ctx, req, naru.CaptureTrailer(&trailer)); err != nil {
		return err
	}
	values := trailer.Get(reportKey)
	if len(values) != 1 {
		return fmt.Errorf("%d trailers %s, want 1", len(values), reportKey)
	}
	got := &orcadata.OrcaLoadReport{}
	if err := proto.Unmarshal([]byte(values[0]), got); err != nil {
		return fmt.Errorf("trailer %s: %w", reportKey, err)
	}
	if want := loadOf(perCallLoad); !proto.Equal(got, want) {
		return fmt.Errorf("the load report is %v, want %v", got, want)
	}
	return nil
}

// orcaOutOfBand sets the server's load on one stream and wants it on another.
func orcaOutOfBand(ctx context.Context, p *Peer) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	reports, err := p.orca.StreamCoreMetrics(ctx, &orcapb.OrcaLoadReportRequest{ReportInterval: durationpb.New(time.Second)})
	if err != nil {
		return err
	}
	defer reports.Close()
	control, err := p.test.FullDuplexCall(ctx)
	if err != nil {
		return err
	}
	defer control.Close()
	for _, load := range serverLoads {
		req := &testpb.StreamingOutputCallRequest{
			OrcaOobReport:      load,
			ResponseParameters: []*testpb.ResponseParameters{{Size: 1}},
		}
		if err := control.Send(req); err != nil {
			return err
		}
		if _, err := control.Recv(); err != nil {
			return err
		}
		if err := awaitLoad(reports, loadOf(load)); err != nil {
			return err
		}
	}
	return endOf(control)
}

// awaitLoad reads reports until one is as wanted; those before may still tell an older load.
func awaitLoad(reports naru.ServerStreamingClient[orcadata.OrcaLoadReport], want *orcadata.OrcaLoadReport) error {
	for {
		got, err := reports.Recv()
		if err != nil {
			return fmt.Errorf("waiting for the load %v: %w", want, err)
		}
		if proto.Equal(got, want) {
			return nil
		}
	}
}
