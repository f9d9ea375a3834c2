// Package prometheus reports the calls of naru's servers and clients to Prometheus through
// client_golang, without the OpenTelemetry SDK. The metrics are those of gRFC A66 and A96 with the
// names that OpenTelemetry's exporter gives them, or, by option, those of go-grpc-prometheus, so
// that existing dashboards and alerts keep working.
//
//	h := prometheus.NewHandler(prometheus.Config{})
//	registry.MustRegister(h)
//	srv, err := naru.NewServer(naru.WithStatsHandler(h))
//
// Labels are bounded: methods that the program does not know are "other" ("unknown" with the names
// of go-grpc-prometheus), and peers are never labels.
package prometheus
