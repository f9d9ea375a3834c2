package otel_test

import (
	"context"
	"fmt"
	"log"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/contrib/otel"
	"github.com/naru-rpc/naru/stub"
)

func ExampleNewHandler() {
	reader := metric.NewManualReader() // a program has an exporter in its place
	handler, err := otel.NewHandler(otel.Config{
		MeterProvider: metric.NewMeterProvider(metric.WithReader(reader)),
		// TracerProvider: traces,
	})
	if err != nil {
		log.Fatal(err)
	}
	srv, err := naru.NewServer(naru.WithStatsHandler(handler))
	if err != nil {
		log.Fatal(err)
	}
	srv.RegisterService(&naru.ServiceDesc{Name: "test.Store", Methods: []naru.MethodDesc{
		stub.UnaryHandler(get, func(_ context.Context, m *text) (*text, error) { return m, nil }),
	}})
	client, err := naru.InProcess(srv, naru.WithStatsHandler(handler))
	if err != nil {
		log.Fatal(err)
	}
	if err := client.Invoke(context.Background(), get, wrapperspb.String("x"), new(text)); err != nil {
		log.Fatal(err)
	}
	_ = client.Close()
	_ = srv.Close()

	var data metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &data); err != nil {
		log.Fatal(err)
	}
	for _, m := range data.ScopeMetrics[0].Metrics {
		if sum, ok := m.Data.(metricdata.Sum[int64]); ok {
			method, _ := sum.DataPoints[0].Attributes.Value("grpc.method")
			fmt.Println(m.Name, method.AsString(), sum.DataPoints[0].Value)
		}
	}
	// Unordered output:
	// grpc.client.attempt.started test.Store/Get 1
	// grpc.server.call.started test.Store/Get 1
}

func ExampleNewProducer() {
	producer := otel.NewProducer()
	reader := metric.NewManualReader(metric.WithProducer(producer)) // an exporter's reader in a real program
	provider := metric.NewMeterProvider(metric.WithReader(reader))  // for the program's own metrics
	handler, err := otel.NewHandler(otel.Config{Producer: producer})
	if err != nil {
		log.Fatal(err)
	}
	srv, err := naru.NewServer()
	if err != nil {
		log.Fatal(err)
	}
	client, err := naru.InProcess(srv, naru.WithStatsHandler(handler))
	if err != nil {
		log.Fatal(err)
	}
	_ = client.Invoke(context.Background(), get, wrapperspb.String("x"), new(text)) // UNIMPLEMENTED: there is no service
	_ = client.Close()
	_ = srv.Close()

	var data metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &data); err != nil {
		log.Fatal(err)
	}
	for _, m := range data.ScopeMetrics[0].Metrics {
		fmt.Println(m.Name)
	}
	_ = provider.Shutdown(context.Background())
	// Unordered output:
	// grpc.client.attempt.started
	// grpc.client.attempt.duration
	// grpc.client.attempt.sent_total_compressed_message_size
	// grpc.client.attempt.rcvd_total_compressed_message_size
	// grpc.client.call.duration
}
