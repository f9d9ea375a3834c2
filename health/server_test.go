package health

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/health/healthpb"
	"github.com/naru-rpc/naru/status"
)

func statuses(t *testing.T, h *Server) map[string]string {
	t.Helper()
	res, err := h.list(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	for service, s := range res.GetStatuses() {
		all[service] = s.GetStatus().String()
	}
	return all
}

func TestStatuses(t *testing.T) {
	h := NewServer()
	steps := []struct {
		do   func()
		want map[string]string
		why  string
	}{
		{func() {}, map[string]string{"": "SERVING"}, "the server as a whole from the start"},
		{func() { h.SetServingStatus("a", Serving) }, map[string]string{"": "SERVING", "a": "SERVING"}, "one added"},
		{func() { h.SetServingStatus("a", NotServing) }, map[string]string{"": "SERVING", "a": "NOT_SERVING"}, "changed"},
		{func() { h.SetServingStatus("b", Unknown) }, map[string]string{"": "SERVING", "a": "NOT_SERVING", "b": "UNKNOWN"}, "another"},
		{func() { h.SetServingStatus("b", ServiceUnknown) }, map[string]string{"": "SERVING", "a": "NOT_SERVING"}, "forgotten"},
		{h.Shutdown, map[string]string{"": "NOT_SERVING", "a": "NOT_SERVING"}, "all off"},
		{func() { h.SetServingStatus("a", Serving); h.SetServingStatus("c", Serving) }, map[string]string{"": "NOT_SERVING", "a": "NOT_SERVING"}, "nothing accepted after Shutdown"},
		{h.Resume, map[string]string{"": "SERVING", "a": "SERVING"}, "all on"},
		{func() { h.SetServingStatus("", NotServing) }, map[string]string{"": "NOT_SERVING", "a": "SERVING"}, "accepted again"},
	}
	for _, step := range steps {
		step.do()
		if diff := cmp.Diff(step.want, statuses(t, h)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.why, diff)
		}
	}
}

func TestCheckOfAnUnknownService(t *testing.T) {
	_, err := NewServer().check(t.Context(), &healthpb.HealthCheckRequest{Service: "nobody"})
	if got := status.Convert(err); got.Code() != codes.NotFound || got.Message() != `health: service "nobody" is not known` {
		t.Errorf("%v, want NOT_FOUND with the name", err)
	}
}

func TestListIsBounded(t *testing.T) {
	h := NewServer()
	for i := range maxListed - 1 {
		h.SetServingStatus(fmt.Sprint(i), Serving)
	}
	if got := len(statuses(t, h)); got != maxListed {
		t.Errorf("%d listed, want all %d", got, maxListed)
	}
	h.SetServingStatus("one more", Serving)
	if _, err := h.list(t.Context(), nil); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("%v, want RESOURCE_EXHAUSTED", err)
	}
}

func TestOnlyChangesAreAnnounced(t *testing.T) {
	h := NewServer()
	_, changed := h.current("")
	h.SetServingStatus("", Serving)
	select {
	case <-changed:
		t.Error("setting the same status wakes watchers")
	default:
	}
	h.SetServingStatus("", NotServing)
	select {
	case <-changed:
	default:
		t.Error("a change does not wake watchers")
	}
}

func TestFileHasTheRealNames(t *testing.T) {
	f := file()
	if f.Path() != "grpc/health/v1/health.proto" || f.Package() != "grpc.health.v1" {
		t.Errorf("file %s of package %s", f.Path(), f.Package())
	}
	watch := f.Services().ByName("Health").Methods().ByName("Watch")
	if watch == nil || !watch.IsStreamingServer() || watch.IsStreamingClient() ||
		watch.Input().FullName() != "grpc.health.v1.HealthCheckRequest" || watch.Output().FullName() != "grpc.health.v1.HealthCheckResponse" {
		t.Errorf("method Watch is %v", watch)
	}
}
