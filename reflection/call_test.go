package reflection

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/narutest"
	"github.com/naru-rpc/naru/status"
	"github.com/naru-rpc/naru/stub"
)

func TestMain(m *testing.M) { narutest.VerifyTestMain(m) }

type client = naru.BidiStreamingClient[request, response]

func open(ctx context.Context, t *testing.T, c *naru.Client, v version) client {
	t.Helper()
	stream, err := stub.NewBidiStreamingClient[request, response](ctx, c, &naru.MethodInfo{
		FullMethod: "/" + v.service + "/ServerReflectionInfo",
		Kind:       naru.KindBidi,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stream.Close() })
	return stream
}

func call(t *testing.T, s client, req *request) *response {
	t.Helper()
	if err := s.Send(req); err != nil {
		t.Fatal(err)
	}
	res, err := s.Recv()
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestBothVersions(t *testing.T) {
	srv := narutest.NewServer(t, func(s *naru.Server) { Register(s) })
	c := srv.Client()
	for _, v := range []version{v1, v1alpha} {
		s := open(t.Context(), t, c, v)
		var names []string
		for _, service := range call(t, s, list()).GetListServicesResponse().GetService() {
			names = append(names, service.GetName())
		}
		if len(names) != 2 || names[0] != v1.service || names[1] != v1alpha.service {
			t.Errorf("%s: services %v", v.service, names)
		}
		if got := paths(t, call(t, s, bySymbol(v.service))); len(got) != 1 || got[0] != v.file().Path() {
			t.Errorf("%s: described by %v", v.service, got)
		}
		if e := call(t, s, bySymbol("no.Thing")).GetErrorResponse(); codes.Code(e.GetErrorCode()) != codes.NotFound {
			t.Errorf("%s: %v, want NOT_FOUND, and the stream to go on", v.service, e)
		}
		if err := s.CloseSend(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Recv(); err != io.EOF {
			t.Errorf("%s: %v after the last question, want a good end", v.service, err)
		}
	}
}

func TestOneVersionAlone(t *testing.T) {
	for _, tt := range []struct {
		register func(Registrar, ...Option)
		has, not version
	}{{RegisterV1, v1, v1alpha}, {RegisterV1Alpha, v1alpha, v1}} {
		srv := narutest.NewServer(t, func(s *naru.Server) { tt.register(s) })
		c := srv.Client()
		if got := call(t, open(t.Context(), t, c, tt.has), list()).GetListServicesResponse().GetService(); len(got) != 1 {
			t.Errorf("%s: services %v", tt.has.service, got)
		}
		s := open(t.Context(), t, c, tt.not)
		if _, err := s.Recv(); status.Code(err) != codes.Unimplemented {
			t.Errorf("%s: %v, want UNIMPLEMENTED", tt.not.service, err)
		}
	}
}

func TestQuestionWithoutContentEndsTheStream(t *testing.T) {
	srv := narutest.NewServer(t, func(s *naru.Server) { Register(s) })
	s := open(t.Context(), t, srv.Client(), v1)
	if err := s.Send(new(request)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Recv(); status.Code(err) != codes.InvalidArgument {
		t.Errorf("%v, want INVALID_ARGUMENT", err)
	}
}

func TestOpenStreamHoldsUpNoShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := narutest.NewServer(t, func(s *naru.Server) { Register(s) })
		s := open(t.Context(), t, srv.Client(), v1)
		call(t, s, list())
		start := time.Now()
		if err := srv.Shutdown(t.Context()); err != nil || time.Since(start) > time.Second {
			t.Errorf("shutdown: %v after %v; want it not held up", err, time.Since(start))
		}
		if _, err := s.Recv(); status.Code(err) != codes.Unavailable {
			t.Errorf("%v, want UNAVAILABLE", err)
		}
	})
}
