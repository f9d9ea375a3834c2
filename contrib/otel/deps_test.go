package otel_test

import (
	"os/exec"
	"strings"
	"testing"
)

// TestNoGRPCGo: a program with metrics and traces does not link grpc-go.
func TestNoGRPCGo(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	deps := string(out)
	if !strings.Contains(deps, "go.opentelemetry.io/otel/metric") {
		t.Fatal("go list -deps has no OpenTelemetry: looking in the wrong place?")
	}
	for dep := range strings.Lines(deps) {
		if strings.HasPrefix(dep, "google.golang.org/grpc") || strings.HasPrefix(dep, "go.opentelemetry.io/otel/sdk") {
			t.Errorf("links %s", dep)
		}
	}
}
