package grpcgo

import (
	"strings"

	narumd "github.com/naru-rpc/naru/metadata"
	"google.golang.org/grpc/metadata"
)

// sendable returns md with lower-case keys and without those of the protocol itself, which grpc-go
// leaves out silently. It does not share the map with md, and does share the values.
func sendable(md metadata.MD) narumd.MD {
	out := make(narumd.MD, len(md))
	for key, values := range md {
		key = strings.ToLower(key)
		if narumd.IsProtocol(key) {
			continue
		}
		out[key] = append(out[key][:len(out[key]):len(out[key])], values...)
	}
	return out
}

func joined(names []string) string { return strings.Join(names, ",") }
