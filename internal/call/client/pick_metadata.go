package client

import (
	"strings"

	"github.com/naru-rpc/naru/internal/call/wire"
)

// pickMetadata is the custom metadata of a call as pickers see it. It reads the fields of the
// request head, so that a call whose balancer does not ask pays nothing.
type pickMetadata call

// Get implements balancer.Metadata.
func (m *pickMetadata) Get(key string) []string {
	values := m.picked[:0] // one value, the usual case, needs no allocation
	for i := m.custom; i < m.fixed; i++ {
		f := &m.head.Fields[i]
		if !strings.EqualFold(f.Name, key) {
			continue
		}
		// This side encoded the value, so that it can be decoded.
		values, _ = wire.AppendDecoded(values, f.Name, f.Value)
	}
	if len(values) == 0 {
		return nil
	}
	return values
}
