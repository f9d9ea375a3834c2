// Command echoclient puts a load on an echoserver and prints what it measured.
//
//	echoclient --impl naru --addr 127.0.0.1:50052 --mode unary --conns 1 --callers 100 --duration 5s
//
// A call is the mode's piece of work: a unary call, a round trip on a stream (pingpong), or
// a message (pipe, server, client). CPU time and allocations are those of this process.
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/pprof"
	"syscall"
	"time"

	"github.com/naru-rpc/naru/test/bench/cpp"
	"github.com/naru-rpc/naru/test/bench/echo"
	"github.com/naru-rpc/naru/test/bench/load"
)

type flags struct {
	addr, impl, output      string
	cpuProfile, heapProfile string
	conns, headers          int
	tls                     bool
	load                    load.Config
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case errors.Is(err, cpp.ErrMissing):
		fmt.Fprintln(os.Stderr, "echoclient: skipped:", err)
		os.Exit(cpp.ExitMissing)
	case err != nil:
		fmt.Fprintln(os.Stderr, "echoclient:", err)
		os.Exit(1)
	}
}

func parse(args []string) (*flags, error) {
	f := new(flags)
	fs := flag.NewFlagSet("echoclient", flag.ContinueOnError)
	fs.StringVar(&f.addr, "addr", "127.0.0.1:50052", "`host:port` of the server")
	fs.StringVar(&f.impl, "impl", "naru", "stack to call with: naru, grpc-go, connect, cpp")
	fs.BoolVar(&f.tls, "tls", false, "speak TLS and accept any certificate")
	mode := fs.String("mode", "unary", "work: unary, pingpong, pipe, server, client, idle")
	fs.IntVar(&f.conns, "conns", 1, "connections")
	fs.IntVar(&f.load.Callers, "callers", 1, "concurrent callers in all, spread over the connections")
	fs.IntVar(&f.load.Size, "size", 0, "payload `bytes` per message")
	fs.DurationVar(&f.load.Duration, "duration", 5*time.Second, "measured time")
	fs.DurationVar(&f.load.Warmup, "warmup", 500*time.Millisecond, "time before it that is not counted")
	fs.IntVar(&f.load.Calls, "calls", 0, "end after this many calls even before the duration; 0: no limit")
	fs.Float64Var(&f.load.Rate, "rate", 0, "start this many `calls` per second in all, however slow the answers "+
		"(open loop; latency counts from the time a call was due); 0: as fast as the callers can")
	fs.IntVar(&f.load.Depth, "depth", 100, "`messages` a caller in mode pipe leaves unanswered at most")
	fs.DurationVar(&f.load.CallTimeout, "call-timeout", 0, "deadline of each unary call; 0: none")
	fs.IntVar(&f.headers, "headers", 0, "metadata `pairs` sent with every unary call (naru, grpc-go)")
	fs.IntVar(&f.load.Beside, "beside", 0, "keep a stream of messages of this many `bytes` running on every connection")
	fs.StringVar(&f.output, "output", "text", "text or json")
	fs.StringVar(&f.cpuProfile, "cpuprofile", "", "write a CPU profile to this `file`")
	fs.StringVar(&f.heapProfile, "memprofile", "", "write a profile of all allocations to this `file`")
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	f.load.Mode = load.Mode(*mode)
	switch {
	case fs.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	case f.conns < 1:
		return nil, fmt.Errorf("--conns %d: want at least 1", f.conns)
	case f.output != "text" && f.output != "json":
		return nil, fmt.Errorf("--output %q: want text or json", f.output)
	}
	return f, nil
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	f, err := parse(args)
	if err != nil {
		return err
	}
	if echo.Impl(f.impl) == echo.CPP {
		return runCPP(f)
	}
	if f.load.CallContext, err = echo.WithHeaders(context.Background(), echo.Impl(f.impl), f.headers); err != nil {
		return err
	}
	clients, err := connect(f)
	defer func() {
		for _, c := range clients {
			_ = c.Close()
		}
	}()
	if err != nil {
		return err
	}
	if f.cpuProfile != "" {
		out, err := os.Create(f.cpuProfile)
		if err != nil {
			return err
		}
		defer out.Close()
		if err := pprof.StartCPUProfile(out); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	res, err := load.Run(ctx, clients, f.load)
	if err != nil {
		return err
	}
	res.Impl = f.impl
	if err := writeHeapProfile(f.heapProfile); err != nil {
		return err
	}
	return report(res, f.output, stdout)
}

func report(res *load.Result, output string, stdout io.Writer) error {
	var err error
	if output == "json" {
		enc := json.NewEncoder(stdout)
		enc.SetIndent("", "  ")
		err = enc.Encode(res)
	} else {
		err = res.WriteText(stdout)
	}
	if err == nil && res.Errors > 0 {
		err = fmt.Errorf("%d calls failed, the first with: %s", res.Errors, res.FirstError)
	}
	return err
}

func connect(f *flags) ([]echo.Client, error) {
	var cfg *tls.Config
	if f.tls {
		cfg = echo.ClientTLS()
	}
	var clients []echo.Client
	for range f.conns {
		c, err := echo.NewClient(echo.Impl(f.impl), f.addr, cfg)
		if err != nil {
			return clients, err
		}
		clients = append(clients, c)
	}
	return clients, nil
}

// runCPP hands over to the C++ client, which knows a part of the flags.
func runCPP(f *flags) error {
	if f.tls || f.load.Rate > 0 || f.load.Beside > 0 || f.load.CallTimeout > 0 || f.load.Calls > 0 || f.headers > 0 ||
		f.load.Mode == load.Idle {
		return errors.New("--impl cpp knows no --tls, --rate, --beside, --call-timeout, --calls, --headers, nor --mode idle")
	}
	return cpp.Exec("client", f.addr, string(f.load.Mode), fmt.Sprint(f.conns), fmt.Sprint(f.load.Callers),
		fmt.Sprint(f.load.Size), fmt.Sprint(f.load.Duration.Seconds()), fmt.Sprint(f.load.Warmup.Seconds()),
		fmt.Sprint(f.load.Depth), f.output)
}

func writeHeapProfile(path string) error {
	if path == "" {
		return nil
	}
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(pprof.Lookup("allocs").WriteTo(out, 0), out.Close())
}
