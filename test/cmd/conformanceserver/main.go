// Command conformanceserver is naru's server for connectrpc's conformance suite. It is started by
// the suite:
//
//	connectconformance --conf test/conformance/server.yaml --mode server -- conformanceserver
//
// It reads one ServerCompatRequest from standard input, writes one ServerCompatResponse to standard
// output and serves until it gets SIGTERM or SIGINT.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/naru-rpc/naru/test/internal/conformance"
)

func main() {
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: conformanceserver < request > response\n\nStarted by connectconformance --mode server. It has no flags.")
	}
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := conformance.RunServer(ctx, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "conformanceserver:", err)
		os.Exit(1)
	}
}
