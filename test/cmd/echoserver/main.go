// Command echoserver serves naru.bench.v1.Echo with the stack named by --impl, for echoclient
// and other load generators. It prints the address it listens on, and serves until SIGINT or
// SIGTERM. SIGUSR1 makes it collect garbage and return free memory, so that resident memory
// can be compared, and print what it has used so far as one line:
//
//	meters {"cpu_us":1234,"allocs":5678}
package main

import (
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"runtime/pprof"
	"syscall"

	"github.com/naru-rpc/naru/test/bench/cpp"
	"github.com/naru-rpc/naru/test/bench/echo"
	"github.com/naru-rpc/naru/test/bench/load"
)

type flags struct {
	addr, impl, cpuProfile, heapProfile string
	tls                                 bool
}

func main() {
	err := run(os.Args[1:], os.Stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case errors.Is(err, cpp.ErrMissing):
		fmt.Fprintln(os.Stderr, "echoserver: skipped:", err)
		os.Exit(cpp.ExitMissing)
	case err != nil:
		fmt.Fprintln(os.Stderr, "echoserver:", err)
		os.Exit(1)
	}
}

func run(args []string, stdout io.Writer) error {
	var f flags
	fs := flag.NewFlagSet("echoserver", flag.ContinueOnError)
	fs.StringVar(&f.addr, "addr", "127.0.0.1:50052", "`host:port` to listen on; port 0 picks a free one")
	fs.StringVar(&f.impl, "impl", "naru", "stack to serve with: naru, grpc-go, connect, cpp")
	fs.BoolVar(&f.tls, "tls", false, "speak TLS with a certificate made on the spot")
	fs.StringVar(&f.cpuProfile, "cpuprofile", "", "write a CPU profile to this `file` at the end")
	fs.StringVar(&f.heapProfile, "memprofile", "", "write a heap profile to this `file` at the end")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	if echo.Impl(f.impl) == echo.CPP {
		if f.tls {
			return errors.New("--impl cpp serves plaintext only")
		}
		return cpp.Exec("server", f.addr)
	}
	return serve(&f, stdout)
}

func serve(f *flags, stdout io.Writer) error {
	var cfg *tls.Config
	if f.tls {
		var err error
		if cfg, err = echo.ServerTLS(); err != nil {
			return err
		}
	}
	srv, err := echo.NewServer(echo.Impl(f.impl), cfg)
	if err != nil {
		return err
	}
	lis, err := net.Listen("tcp", f.addr)
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
	signals := make(chan os.Signal, 1) // one is enough: a second of the same kind adds nothing
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, freeMemory)
	defer signal.Stop(signals)
	// Last, because a signal may follow at once.
	fmt.Fprintf(stdout, "listening on %s\n", lis.Addr())
	done := make(chan error, 1) // Serve's result, so that its goroutine ends unheard
	go func() { done <- srv.Serve(lis) }()
	for {
		select {
		case err := <-done:
			return err
		case sig := <-signals:
			if sig == freeMemory {
				debug.FreeOSMemory()
				m := load.ReadMeters()
				fmt.Fprintf(stdout, "meters {\"cpu_us\":%d,\"allocs\":%d}\n", m.CPU.Microseconds(), m.Allocs)
				continue
			}
			if err := writeHeapProfile(f.heapProfile); err != nil {
				return err
			}
			srv.Stop()
			return <-done
		}
	}
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
