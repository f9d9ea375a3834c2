package naru_test

import (
	"context"
	"runtime"
	"testing"
	"weak"

	"github.com/naru-rpc/naru"
)

// A program may make a MethodInfo for each call, as proxies do that know no method beforehand. The
// client does not keep them: neither what it knows of a method's interceptors, nor the MethodInfo.
func TestMethodInfosOfOneCallAreNotKept(t *testing.T) {
	pass := func(ctx context.Context, _ *naru.Call, next func(context.Context) error) error { return next(ctx) }
	p := start(t, "inproc", &echo{}, clientOnly{naru.WithInterceptors(pass)})
	const calls, last = 6000, 500
	var infos []weak.Pointer[naru.MethodInfo]
	for range calls {
		m := &naru.MethodInfo{FullMethod: methodUnary.FullMethod}
		if err := p.Invoke(t.Context(), m, str("a"), new(text)); err != nil {
			t.Fatal(err)
		}
		infos = append(infos, weak.Make(m))
	}
	for range 3 { // what pools hold goes in two
		runtime.GC()
	}
	kept := 0
	for _, w := range infos[calls-last:] {
		if w.Value() != nil {
			kept++
		}
	}
	if kept > last/10 {
		t.Errorf("after %d calls, of the last %d MethodInfos %d are still held", calls, last, kept)
	}
	runtime.KeepAlive(p)
}
