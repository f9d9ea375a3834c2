package prometheus_test

import (
	"fmt"
	"log"
	"net/http/httptest"
	"strings"

	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/contrib/prometheus"
)

func ExampleNewHandler() {
	handler := prometheus.NewHandler(prometheus.Config{})
	registry := client.NewRegistry()
	registry.MustRegister(handler)
	desc := service()
	handler.InitializeServer(desc) // its methods are 0 until they are called
	srv, err := naru.NewServer(naru.WithStatsHandler(handler))
	if err != nil {
		log.Fatal(err)
	}
	srv.RegisterService(desc)

	metrics := promhttp.HandlerFor(registry, promhttp.HandlerOpts{}) // for "/metrics"
	page := httptest.NewRecorder()
	metrics.ServeHTTP(page, httptest.NewRequest("GET", "/metrics", nil))
	for line := range strings.Lines(page.Body.String()) {
		if strings.HasPrefix(line, "grpc_server_call_started_total{") {
			fmt.Print(line)
		}
	}
	// Output:
	// grpc_server_call_started_total{grpc_method="test.Store/Get"} 0
	// grpc_server_call_started_total{grpc_method="test.Store/Watch"} 0
}
