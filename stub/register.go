package stub

import (
	"fmt"
	"reflect"

	"github.com/naru-rpc/naru"
)

// Register adds srv, an implementation of the service interface S, to r. describe is its generated
// ServiceDesc function. A nil r or srv is a mistake that nothing could report later: Register
// panics with what to do about it. Other mistakes, such as registering twice, are r's to report.
func Register[S any](r naru.ServiceRegistrar, srv S, describe func(S) *naru.ServiceDesc) {
	service := reflect.TypeFor[S]()
	if v := reflect.ValueOf(r); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		panic(fmt.Sprintf("naru: Register%s: the server is nil; make it with naru.NewServer, and check the error that it returns", service.Name()))
	}
	if any(srv) == nil {
		panic(fmt.Sprintf("naru: Register%s: the implementation is nil; pass a value with the methods of %s", service.Name(), service))
	}
	r.RegisterService(describe(srv))
}
