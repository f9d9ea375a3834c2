// Command naru is gRPC's toolbox in one program: it generates code from .proto files, runs a
// demonstration and, verb by verb, replaces what people otherwise assemble around gRPC.
//
// Each verb lives in a folder of its own under internal and is listed once, in internal/root.
// Exit codes are those of internal/cli.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
	"github.com/naru-rpc/naru/cmd/naru/internal/root"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := root.Called(ctx, cli.System(), os.Args[0], os.Args[1:])
	stop()
	os.Exit(code)
}
