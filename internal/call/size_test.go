package call

import (
	"reflect"
	"testing"
)

// A call is garbage when it ends: with thousands of connections collecting it is a fifth of a server's work. 1,024 bytes
// are a size class of the allocator, the next is 1,152.
func TestServerCallFitsItsSizeClass(t *testing.T) {
	if size := reflect.TypeFor[ServerCall]().Size(); size > 1024 {
		t.Errorf("a ServerCall takes %d bytes, want at most 1,024", size)
	}
}
