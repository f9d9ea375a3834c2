package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"syscall"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
	"github.com/naru-rpc/naru/cmd/naru/internal/demo/tour"
	"github.com/naru-rpc/naru/encoding"
	"github.com/naru-rpc/naru/examples/shop"
	"github.com/naru-rpc/naru/examples/shop/ecommerce"
	"github.com/naru-rpc/naru/examples/shop/store"
	"github.com/naru-rpc/naru/health"
	"github.com/naru-rpc/naru/reflection"
	"github.com/naru-rpc/naru/web"
)

// run is the verb. It returns when ctx has ended, which is an interrupt's work, and the server has
// drained; when the tour is over; or when something failed.
func run(ctx context.Context, env *cli.Env, o options) (err error) {
	level, err := o.validate()
	if err != nil {
		return err
	}
	lis, err := listen(ctx, o.addr) // first: a port that is taken is the likeliest thing to fail
	if err != nil {
		return err
	}
	h, err := open(ctx, env, o, level)
	if err != nil {
		return errors.Join(err, lis.Close())
	}
	defer func() { err = errors.Join(err, h.close()) }()

	served := make(chan error, 1) // the one result of Serve
	go func() { served <- h.server.Serve(lis) }()
	if o.tour {
		return h.tour(ctx, env, lis.Addr(), o, served)
	}
	h.welcome(env, lis.Addr(), o)
	select {
	case err := <-served:
		return fmt.Errorf("the server ended by itself: %w", err)
	case <-ctx.Done():
	}
	err = h.drain(env.Stdout, o.drain)
	return errors.Join(err, <-served)
}

// listen opens the port, and explains what people run into most.
func listen(ctx context.Context, addr string) (net.Listener, error) {
	var config net.ListenConfig
	lis, err := config.Listen(ctx, "tcp", addr)
	switch {
	case err == nil:
		return lis, nil
	case errors.Is(err, syscall.EADDRINUSE), errors.Is(err, wsaEADDRINUSE):
		return nil, cli.WithHint(fmt.Errorf("%s is taken: another program listens there, perhaps another naru demo", addr),
			"--addr chooses another port, --addr %s an unused one", withPort(addr, "0"))
	case errors.Is(err, os.ErrPermission):
		return nil, cli.WithHint(fmt.Errorf("%s may not be listened on: %w", addr, err),
			"ports below 1024 are often the administrator's; --addr %s is not", withPort(addr, "50051"))
	}
	var wrong *net.AddrError
	var unknown *net.DNSError
	if errors.As(err, &wrong) || errors.As(err, &unknown) {
		return nil, cli.Usagef("--addr %s: %w", addr, err)
	}
	return nil, fmt.Errorf("listen on %s: %w", addr, err)
}

// wsaEADDRINUSE is what Windows calls EADDRINUSE; no other system uses the number.
const wsaEADDRINUSE = syscall.Errno(10048)

func withPort(addr, port string) string {
	host, _, _ := net.SplitHostPort(addr)
	return net.JoinHostPort(host, port)
}

// house is the shop, ready to serve.
type house struct {
	// immutable after open
	server   *naru.Server
	store    *store.Store
	health   *health.Server
	calls    *calls
	witness  *tour.Witness
	identity *identity // nil: plaintext
}

func open(ctx context.Context, env *cli.Env, o options, level slog.Level) (h *house, err error) {
	h = &house{health: health.NewServer(), calls: newCalls(), witness: tour.NewWitness()}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close())
		}
	}()
	if o.data == "" {
		h.store, err = store.OpenTemporary(ctx)
	} else {
		h.store, err = store.Open(ctx, env.Path(o.data))
	}
	if err != nil {
		return h, err
	}
	logger := newLogger(env.Stderr, level)
	settings := []naru.ServerOption{
		naru.WithLogger(logger),
		naru.WithInterceptors(h.calls.intercept, echoRequestID, logCalls(logger)),
		naru.WithWeb(web.Options{}),
		naru.WithCodecs(encoding.JSON()),
	}
	if o.tour {
		settings = append(settings, naru.WithInterceptors(h.witness.Intercept))
	}
	if o.tls {
		if h.identity, err = newIdentity(); err != nil {
			return h, err
		}
		settings = append(settings, naru.WithTLS(h.identity.config))
	}
	if h.server, err = naru.NewServer(settings...); err != nil {
		return h, err
	}
	shop.Register(h.server, h.store)
	for _, service := range []string{ecommerce.ProductInfo_ServiceName, ecommerce.OrderManagement_ServiceName} {
		h.health.SetServingStatus(service, health.Serving)
	}
	health.Register(h.server, h.health)
	reflection.Register(h.server)
	return h, nil
}

// newLogger returns a logger for people, from level on.
func newLogger(w io.Writer, level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}

func (h *house) close() error {
	var errs []error
	if h.server != nil {
		errs = append(errs, h.server.Close())
	}
	if h.store != nil {
		errs = append(errs, h.store.Close())
	}
	if h.identity != nil {
		errs = append(errs, h.identity.remove())
	}
	return errors.Join(errs...)
}
