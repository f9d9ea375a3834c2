package naru_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/encoding"
)

// What a server says to a client repeats little of what the client has sent.
func TestServersRepeatLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		long := strings.Repeat("z", 12_000)
		c := script(t, &echo{}, nil, naru.WithCodecs(encoding.JSON()))
		id := uint32(1)
		try := func(name, path string, more ...string) {
			t.Helper()
			if more == nil {
				more = []string{}
			}
			c.call(id, path, "x", more...)
			synctest.Wait()
			r := c.responses()[id]
			if r == nil || !r.end || r.field("grpc-status") == "0" {
				t.Errorf("%s: %+v", name, r)
			} else if n := len(r.field("grpc-message")); n > 700 || n == 0 {
				t.Errorf("%s: grpc-message of %d bytes: %.300s", name, n, r.field("grpc-message"))
			}
			id += 2
		}
		unary := methodUnary.FullMethod
		try("path", "/"+long+"/m")
		try("method", "/test.Echo/"+long)
		try("no method", long)
		try("encoding", unary, "grpc-encoding", long)
		try("binary key", unary, long+"-bin", "%")
		try("binary value", unary, "a-bin", long+"%")
		try("timeout", unary, "grpc-timeout", long)
	})
}

// A JSON message that is wrong is not repeated whole.
func TestBadMessagesAreNotRepeated(t *testing.T) {
	overAll(t, plain, func(t *testing.T, p *pair) {
		for _, text := range []string{`{"` + strings.Repeat("k", 1<<20) + `": 1}`, `"` + strings.Repeat("v", 1<<20), strings.Repeat("7", 1<<20), strings.Repeat("[", 1<<16)} {
			err := p.Invoke(t.Context(), methodUnary, encoding.RawMessage(text), new(encoding.RawMessage), naru.WithCodec("json"))
			if err == nil || len(err.Error()) > 2<<10 {
				t.Errorf("%.10s: an error of %d bytes: %.300v", text, len(err.Error()), err)
			}
		}
	}, serverOnly{naru.WithCodecs(encoding.JSON())}, clientOnly{naru.WithCodecs(encoding.JSON())})
}
