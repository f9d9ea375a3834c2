package demo

import (
	"context"
	"errors"
	"net"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
	"github.com/naru-rpc/naru/cmd/naru/internal/demo/tour"
	"github.com/naru-rpc/naru/cmd/naru/internal/demo/wiretap"
)

// tour takes the tour of the shop that serves on addr, and ends the server.
func (h *house) tour(ctx context.Context, env *cli.Env, addr net.Addr, o options, served <-chan error) error {
	tap := new(wiretap.Tap)
	target, _ := reachable(addr)
	client, err := naru.NewClient(target, naru.WithPlaintext(), naru.WithDialer(
		func(ctx context.Context, network, addr string) (net.Conn, error) {
			var dialer net.Dialer
			conn, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return tap.Client(conn), nil
		}))
	if err != nil {
		return err
	}
	err = tour.Run(ctx, tour.Config{
		Out: env.Stdout, Color: env.ColorOut, Client: client, Tap: tap, Witness: h.witness,
	})
	return errors.Join(err, client.Close(), h.server.Close(), <-served)
}
