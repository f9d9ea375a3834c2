// Package narucli gives a service the sub-command "health", so that its container image needs no
// second program for probes:
//
//	func main() {
//		narucli.Main()
//		... // the service
//	}
//
// "service health localhost:50051" then asks a running server for its health and exits with 0 if it
// is SERVING. Flags, output and exit codes are those of grpc_health_probe, which [Probe]
// implements.
//
// The package starts no goroutines of its own.
package narucli

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// Main ends the process with the exit code of [Probe] if the first argument of the command line is
// "health", and returns otherwise. Call it first in main, before flags are parsed.
func Main() {
	if len(os.Args) < 2 || os.Args[1] != "health" {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := Probe(ctx, os.Args[0]+" health", os.Args[2:], os.Stderr)
	stop()
	os.Exit(code)
}
