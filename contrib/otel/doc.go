// Package otel reports the calls of naru's servers and clients to OpenTelemetry: metrics with the
// names, labels, units and buckets of gRFC A66 and A96, and traces as in gRFC A72, with a span for
// each call and for each attempt.
//
//	h, err := otel.NewHandler(otel.Config{MeterProvider: meters, TracerProvider: traces})
//	srv, err := naru.NewServer(naru.WithStatsHandler(h))
//	client, err := naru.NewClient(target, naru.WithStatsHandler(h))
//
// It needs OpenTelemetry's API, and the SDK's types of exported data for [Producer]; the program
// chooses the SDK and the exporters.
//
// Labels are bounded: methods that the program does not know are "other", and peers and user agents
// are never labels.
//
// Differences from grpc-go's stats/opentelemetry: a call of an unknown method is counted by a
// server, as method "other", and is a span "Recv.other"; message events are an option and off;
// retries and hedges are counted (A96).
//
// Known limitations: metrics of subchannels, load balancing and outlier detection (A78, A91, A94)
// and the label of the backend service (A89) are not reported.
package otel
