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
		if dep = strings.TrimSpace(dep); strings.HasPrefix(dep, "google.golang.org/grpc") || linksSDK(dep) {
			t.Errorf("links %s", dep)
		}
	}
}

// linksSDK reports whether a package is of the SDK, beyond the types of the data that a Producer
// hands over. The SDK is the program's to choose.
func linksSDK(dep string) bool {
	if dep == "go.opentelemetry.io/otel/sdk" || strings.HasPrefix(dep, "go.opentelemetry.io/otel/sdk/internal/") {
		return false
	}
	switch strings.TrimPrefix(dep, "go.opentelemetry.io/otel/sdk/") {
	case dep, "metric/metricdata", "instrumentation", "resource":
		return false
	}
	return true
}
