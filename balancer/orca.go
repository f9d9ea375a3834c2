package balancer

import (
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// LoadReport is a backend's own view of its load: xds.data.orca.v3.OrcaLoadReport (gRFC A51). It
// comes with the trailers of a call or, asked for, on a stream of its own.
type LoadReport struct {
	// CPU is the utilisation of the CPU, 1 when all that the backend may use is used. It may exceed
	// 1.
	CPU float64
	// Application is the utilisation the application computed itself; it may exceed 1. 0: not
	// reported.
	Application float64
	// Memory is the share of memory in use, in [0, 1].
	Memory float64
	// QPS and EPS are requests and errors per second.
	QPS, EPS float64
	// Utilization holds named shares in [0, 1]; nil: none.
	Utilization map[string]float64
	// RequestCost holds what the call cost, by resource; nil: not reported.
	RequestCost map[string]float64
	// Named holds values whose meaning is the application's; nil: none.
	Named map[string]float64
}

// Field numbers of xds/data/orca/v3/orca_load_report.proto.
const (
	orcaCPU         = 1
	orcaMemory      = 2
	orcaRequestCost = 4
	orcaUtilization = 5
	orcaQPS         = 6
	orcaEPS         = 7
	orcaNamed       = 8
	orcaApplication = 9
)

// ParseLoadReport reads the wire form into r. Fields it does not know are passed over. Values that
// are not numbers of 0 or more are dropped: a weight must not be made of them.
func ParseLoadReport(wire string, r *LoadReport) error {
	*r = LoadReport{}
	b := []byte(wire)
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return fmt.Errorf("load report: %w", protowire.ParseError(n))
		}
		b = b[n:]
		n = r.field(num, typ, b)
		if n < 0 {
			return fmt.Errorf("load report: field %d: %w", num, protowire.ParseError(n))
		}
		b = b[n:]
	}
	return nil
}

func (r *LoadReport) field(num protowire.Number, typ protowire.Type, b []byte) int {
	switch typ {
	case protowire.Fixed64Type:
		if dst := r.number(num); dst != nil {
			v, n := protowire.ConsumeFixed64(b)
			if n >= 0 {
				*dst = sane(math.Float64frombits(v))
			}
			return n
		}
	case protowire.BytesType:
		if dst := r.table(num); dst != nil {
			entry, n := protowire.ConsumeBytes(b)
			if n < 0 {
				return n
			}
			if bad := mapEntry(entry, dst); bad < 0 {
				return bad
			}
			return n
		}
	}
	return protowire.ConsumeFieldValue(num, typ, b)
}

func (r *LoadReport) number(num protowire.Number) *float64 {
	switch num {
	case orcaCPU:
		return &r.CPU
	case orcaMemory:
		return &r.Memory
	case orcaQPS:
		return &r.QPS
	case orcaEPS:
		return &r.EPS
	case orcaApplication:
		return &r.Application
	}
	return nil
}

func (r *LoadReport) table(num protowire.Number) *map[string]float64 {
	switch num {
	case orcaRequestCost:
		return &r.RequestCost
	case orcaUtilization:
		return &r.Utilization
	case orcaNamed:
		return &r.Named
	}
	return nil
}

// mapEntry reads an entry of a map<string, double>. It returns a negative number, a protowire
// error, if it cannot.
func mapEntry(b []byte, dst *map[string]float64) int {
	var key string
	var value float64
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return n
		}
		b = b[n:]
		switch {
		case num == 1 && typ == protowire.BytesType:
			key, n = protowire.ConsumeString(b)
		case num == 2 && typ == protowire.Fixed64Type:
			var bits uint64
			bits, n = protowire.ConsumeFixed64(b)
			value = math.Float64frombits(bits)
		default:
			n = protowire.ConsumeFieldValue(num, typ, b)
		}
		if n < 0 {
			return n
		}
		b = b[n:]
	}
	if *dst == nil {
		*dst = map[string]float64{}
	}
	(*dst)[key] = sane(value)
	return 0
}

func sane(f float64) float64 {
	if !(f > 0) || math.IsInf(f, 0) {
		return 0
	}
	return f
}

// AppendLoadReport appends the wire form of r to b: what a server puts into the trailer
// endpoint-load-metrics-bin.
func AppendLoadReport(b []byte, r *LoadReport) []byte {
	number := func(num protowire.Number, v float64) {
		if v != 0 {
			b = protowire.AppendTag(b, num, protowire.Fixed64Type)
			b = protowire.AppendFixed64(b, math.Float64bits(v))
		}
	}
	table := func(num protowire.Number, m map[string]float64) {
		for k, v := range m {
			entry := protowire.AppendTag(nil, 1, protowire.BytesType)
			entry = protowire.AppendString(entry, k)
			entry = protowire.AppendTag(entry, 2, protowire.Fixed64Type)
			entry = protowire.AppendFixed64(entry, math.Float64bits(v))
			b = protowire.AppendTag(b, num, protowire.BytesType)
			b = protowire.AppendBytes(b, entry)
		}
	}
	number(orcaCPU, r.CPU)
	number(orcaMemory, r.Memory)
	table(orcaRequestCost, r.RequestCost)
	table(orcaUtilization, r.Utilization)
	number(orcaQPS, r.QPS)
	number(orcaEPS, r.EPS)
	table(orcaNamed, r.Named)
	number(orcaApplication, r.Application)
	return b
}
