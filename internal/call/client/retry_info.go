package client

import (
	"time"

	"github.com/naru-rpc/naru/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

const retryInfoName = "google.rpc.RetryInfo"

// retryDelay is what a google.rpc.RetryInfo in the details asks for: "clients should wait until
// retry_delay amount of time has passed since receiving the error response before retrying". The
// message is read from its bytes, since nothing here links its type.
func retryDelay(err error) time.Duration {
	s := status.Convert(err)
	if !s.HasDetails() {
		return 0
	}
	for _, d := range s.Details() {
		if packed, ok := d.(*anypb.Any); ok {
			if string(packed.MessageName()) == retryInfoName {
				return parseRetryInfo(packed.GetValue())
			}
			continue
		}
		if d.ProtoReflect().Descriptor().FullName() == retryInfoName {
			if b, err := proto.Marshal(d); err == nil {
				return parseRetryInfo(b)
			}
		}
	}
	return 0
}

// parseRetryInfo reads retry_delay (field 1), a google.protobuf.Duration; 0 for what is malformed
// or negative.
func parseRetryInfo(b []byte) time.Duration {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return 0
		}
		b = b[n:]
		if num == 1 && typ == protowire.BytesType {
			v, n := protowire.ConsumeBytes(b)
			if n < 0 {
				return 0
			}
			return parseDuration(v)
		}
		if n = protowire.ConsumeFieldValue(num, typ, b); n < 0 {
			return 0
		}
		b = b[n:]
	}
	return 0
}

// parseDuration reads seconds (1) and nanos (2).
func parseDuration(b []byte) time.Duration {
	var parts [3]int64
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 || typ != protowire.VarintType {
			return 0
		}
		b = b[n:]
		v, n := protowire.ConsumeVarint(b)
		if n < 0 {
			return 0
		}
		b = b[n:]
		if num < 3 {
			parts[num] = int64(v)
		}
	}
	const most = int64(24 * time.Hour / time.Second) // a server that asks for more is not waited for longer
	if parts[1] < 0 || parts[2] < 0 {
		return 0
	}
	return time.Duration(min(parts[1], most))*time.Second + time.Duration(min(parts[2], 1e9-1))
}
