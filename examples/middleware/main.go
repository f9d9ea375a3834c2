// Command middleware surrounds a server's handlers with the interceptors of package middleware.
package main

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/examples/greeter"
	"github.com/naru-rpc/naru/examples/internal/loopback"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/middleware"
	"github.com/naru-rpc/naru/status"
)

// interceptors returns what surrounds every handler, the first one outermost.
func interceptors(logger *slog.Logger) naru.Option {
	return naru.WithInterceptors(
		middleware.RequestID(middleware.RequestIDConfig{}),
		middleware.AccessLog(middleware.AccessLogConfig{
			Logger: logger,
			Sample: func(c codes.Code) float64 {
				if c == codes.OK {
					return 0.5 // half of the calls that went well
				}
				return 1
			},
			Slow:     100 * time.Millisecond,
			Payloads: middleware.PayloadConfig{Enabled: true, Mask: []string{"name"}},
		}),
		middleware.ShedLoad(middleware.ShedLoadConfig{PriorityHeader: "x-priority"}),
		middleware.LimitConcurrency(middleware.ConcurrencyConfig{
			MaxPerMethod: map[string]int{greeter.Greeter_SayHelloInEveryLanguage_FullMethodName: 10},
			Waiting:      5,
			MaxWait:      time.Second,
		}),
		middleware.Timeouts(middleware.TimeoutsConfig{
			Default: middleware.Timeout{Max: 200 * time.Millisecond, Min: time.Millisecond},
		}),
		middleware.Faults(middleware.FaultsConfig{Header: "x-fault"}), // on a test system only
		middleware.Recover(func(_ context.Context, call *naru.Call, p middleware.Panic) error {
			logger.Error("panic", "method", call.Method().FullMethod, "value", p.Value)
			return status.Error(codes.Internal, "a bug; it has been reported")
		}),
		middleware.Cache(middleware.CacheConfig{
			TTL:     time.Minute,
			Methods: []string{greeter.Greeter_SayHello_FullMethodName},
		}),
	)
}

// service panics when it is asked to, and is slow to greet Zoe.
type service struct{ greeter.Server }

func (s service) SayHello(ctx context.Context, req *greeter.HelloRequest) (*greeter.HelloReply, error) {
	switch req.GetName() {
	case "":
		panic("no name")
	case "Zoe":
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return s.Server.SayHello(ctx, req)
}

// logger writes the attributes that are the same each time this program runs.
func logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if !strings.Contains(" level msg method code request_id ended_by received value ", " "+a.Key+" ") {
				return slog.Attr{}
			}
			return a
		},
	}))
}

func main() {
	srv, err := naru.NewServer(interceptors(logger()))
	if err != nil {
		log.Fatal(err)
	}
	greeter.RegisterGreeterServer(srv, service{})
	conn, stop, err := loopback.Serve(srv)
	if err != nil {
		log.Fatal(err)
	}
	client := greeter.NewGreeterClient(conn)
	for i, call := range []struct{ name, fault string }{
		{"", ""},
		{"Zoe", ""},
		{"Ana", "delay=10ms,abort=UNAVAILABLE"},
	} {
		ctx := metadata.AppendToOutgoingContext(context.Background(), "x-request-id", fmt.Sprint("request-", i))
		if call.fault != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "x-fault", call.fault)
		}
		_, err := client.SayHello(ctx, &greeter.HelloRequest{Name: call.name})
		fmt.Println("client:", err)
	}
	if err := stop(); err != nil {
		log.Fatal(err)
	}
}
