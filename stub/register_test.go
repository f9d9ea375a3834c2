package stub_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/stub"
)

type GreeterServer interface{ Greet() }

type registry struct{ names []string }

func (r *registry) RegisterService(d *naru.ServiceDesc) { r.names = append(r.names, d.Name) }

type greeter struct{}

func (*greeter) Greet() {}

// Registering nothing, or with no server, says what to do.
func TestRegisterNil(t *testing.T) {
	describe := func(s GreeterServer) *naru.ServiceDesc {
		f := s.Greet // as generated code takes the methods
		_ = f
		return &naru.ServiceDesc{Name: "test.Greeter"}
	}
	var none *naru.Server
	for _, tt := range []struct {
		name string
		r    naru.ServiceRegistrar
		srv  GreeterServer
		want string
	}{
		{"no implementation", &registry{}, nil, "naru: RegisterGreeterServer: the implementation is nil; pass a value with the methods of stub_test.GreeterServer"},
		{"no server", none, &greeter{}, "naru: RegisterGreeterServer: the server is nil; make it with naru.NewServer"},
		{"no registrar", nil, &greeter{}, "naru: RegisterGreeterServer: the server is nil; make it with naru.NewServer"},
		{"a nil pointer may have methods", &registry{}, (*greeter)(nil), ""},
		{"both", &registry{}, &greeter{}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			defer func() {
				got := ""
				if r := recover(); r != nil {
					got = fmt.Sprint(r)
				}
				if (got == "") != (tt.want == "") || !strings.HasPrefix(got, tt.want) {
					t.Errorf("panic %q, want %q", got, tt.want)
				}
			}()
			stub.Register(tt.r, tt.srv, describe)
			if r := tt.r.(*registry); len(r.names) != 1 {
				t.Errorf("registered %v", r.names)
			}
		})
	}
}
