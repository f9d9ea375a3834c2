// Command replay puts unary calls on an echoserver at so little cost to itself that the server is
// what is measured, with thousands of connections too. Linux only.
//
//	replay --addr 127.0.0.1:50052 --conns 10000 --streams 10 --duration 5s
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/naru-rpc/naru/test/bench/benchpb"
	"github.com/naru-rpc/naru/test/bench/replay"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "replay:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	var cfg replay.Config
	fs := flag.NewFlagSet("replay", flag.ContinueOnError)
	fs.StringVar(&cfg.Addr, "addr", "127.0.0.1:50052", "`host:port` of the server, plaintext")
	fs.IntVar(&cfg.Conns, "conns", 1, "connections")
	fs.IntVar(&cfg.Streams, "streams", 10, "calls under way on each connection")
	fs.DurationVar(&cfg.Warmup, "warmup", time.Second, "time before the measured one, counted from when all connections are there")
	fs.DurationVar(&cfg.Duration, "duration", 5*time.Second, "measured time")
	output := fs.String("output", "text", "text or json")
	if err := fs.Parse(args); err != nil {
		return err
	}
	switch {
	case fs.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", fs.Arg(0))
	case *output != "text" && *output != "json":
		return fmt.Errorf("--output %q: want text or json", *output)
	}
	cfg.Path = "/naru.bench.v1.Echo/Unary"
	var err error
	if cfg.Message, err = proto.Marshal(&benchpb.Message{Message: "hello"}); err != nil {
		return err
	}
	res, err := replay.Run(ctx, cfg)
	if err != nil {
		return err
	}
	if *output == "json" {
		return json.NewEncoder(stdout).Encode(res)
	}
	_, err = fmt.Fprintf(stdout, "%d connections, %d streams each, %.1f s: %.0f calls/s; this process used %.0f %% of a processor\n",
		res.Conns, res.Streams, res.Seconds, res.CallsPerSecond, 100*res.Busy)
	return err
}
