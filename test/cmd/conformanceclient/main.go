// Command conformanceclient is naru's client for connectrpc's conformance suite. It is started by
// the suite:
//
//	connectconformance --conf test/conformance/client.yaml --mode client -- conformanceclient
//
// It reads ClientCompatRequests from standard input until its end and writes a ClientCompatResponse
// for each to standard output.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/naru-rpc/naru/test/internal/conformance"
)

func main() {
	parallel := flag.Int("p", 4*runtime.GOMAXPROCS(0), "how many calls to make at the same time")
	flag.Parse()
	if *parallel < 1 {
		fmt.Fprintln(os.Stderr, "conformanceclient: -p must be at least 1")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := conformance.RunClient(ctx, bufio.NewReader(os.Stdin), os.Stdout, *parallel); err != nil {
		fmt.Fprintln(os.Stderr, "conformanceclient:", err)
		os.Exit(1)
	}
}
