package server

import (
	"reflect"
	"testing"
)

// What a program may keep of a call is garbage when it ends: with thousands of connections
// collecting it is a good part of a server's work. 320 bytes are a size class of the allocator, the
// next is 352.
func TestCallFitsItsSizeClass(t *testing.T) {
	if size := reflect.TypeFor[Call]().Size(); size > 320 {
		t.Errorf("a Call takes %d bytes, want at most 320", size)
	}
}
