// Package tour calls the shop in every way gRPC has, and prints each step together with the frames
// that crossed the wire meanwhile. Nothing it prints of the wire is made up: it comes from a tap on
// the client's connection.
package tour

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/cmd/naru/internal/demo/wiretap"
	"github.com/naru-rpc/naru/examples/shop/ecommerce"
	"github.com/naru-rpc/naru/internal/h2/frame"
)

// patience is how long a step may take. The longest takes a tenth of a second.
const patience = 15 * time.Second

// errPatience is why a step was given up.
var errPatience = fmt.Errorf("the step took more than %v", patience)

// Config is what a tour needs.
type Config struct {
	Out   io.Writer
	Color bool
	// Client calls a server with the shop, over connections that are tapped by Tap.
	Client naru.ClientConnInterface
	Tap    *wiretap.Tap
	// Witness intercepts the calls on that server.
	Witness *Witness
}

// Run takes the tour. It returns the first error: of a call that should have worked, a failure that
// did not come, or of writing.
func Run(ctx context.Context, c Config) error {
	p := &printer{out: c.Out, color: c.Color}
	g := &guide{
		tap:      c.Tap,
		witness:  c.Witness,
		orders:   ecommerce.NewOrderManagementClient(c.Client),
		products: ecommerce.NewProductInfoClient(c.Client),
	}
	view := newWireView(p)
	p.text("A client calls the shop. Lines with an arrow are what crossed the wire: --> to the server, " +
		"<-- back, each with its HTTP/2 stream and its size with frame headers. Lines with = are what " +
		"the program got.")
	for i, s := range steps {
		p.title(i+1, len(steps), s.title)
		p.text(s.text)
		p.code(s.code)
		if err := g.take(ctx, s, view); err != nil {
			return fmt.Errorf("tour, step %q: %w", s.title, err)
		}
		p.results(g.results)
		if p.err != nil {
			return fmt.Errorf("tour: %w", p.err)
		}
	}
	closing(p, c.Tap, view)
	return p.err
}

// step is one stop of the tour.
type step struct {
	title string
	text  string // what there is to see
	code  string // what run does, as a user would write it
	run   func(context.Context, *guide) error
}

// guide is what the steps work with. It belongs to the tour's goroutine.
type guide struct {
	// immutable
	tap      *wiretap.Tap
	witness  *Witness
	orders   ecommerce.OrderManagementClient
	products ecommerce.ProductInfoClient

	// of the step under way
	mark    int      // where its events start
	results []string // what its program got
}

func (g *guide) result(format string, args ...any) {
	g.results = append(g.results, fmt.Sprintf(format, args...))
}

// take runs a step and shows what crossed the wire.
func (g *guide) take(ctx context.Context, s step, view *wireView) error {
	// Not a deadline: it would be sent to the server, and be seen.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer time.AfterFunc(patience, func() { cancel(errPatience) }).Stop()

	g.mark, g.results = g.tap.Mark(), nil
	if err := s.run(ctx, g); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return errors.Join(cause, err)
		}
		return err
	}
	view.show(g.tap.Wait(ctx, g.mark, allEnded))
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// allEnded tells whether every stream that was opened has ended on both sides, or was reset.
func allEnded(events []wiretap.Event) bool {
	const both = 1<<wiretap.ToServer | 1<<wiretap.ToClient
	ended := map[uint32]int{}
	for i := range events {
		e := &events[i]
		id := e.Header.StreamID
		switch {
		case !e.Frame() || id == 0:
		case e.Header.Type == frame.TypeRSTStream:
			ended[id] = both
		case e.Ends():
			ended[id] |= 1 << e.Direction
		default:
			ended[id] |= 0
		}
	}
	for _, e := range ended {
		if e != both {
			return false
		}
	}
	return len(ended) > 0
}
