package health

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
	"github.com/naru-rpc/naru/health"
)

// printer writes statuses to stdout.
type printer struct {
	config *config
	env    *cli.Env
}

// line is a status as --output json shows it. Times are in milliseconds.
type line struct {
	Target  string   `json:"target"`
	Service string   `json:"service"`
	Status  string   `json:"status"`
	Connect *float64 `json:"connect_ms,omitempty"`
	RPC     *float64 `json:"rpc_ms,omitempty"`
	Waited  *float64 `json:"waited_ms,omitempty"`
}

func ms(d time.Duration) *float64 {
	f := float64(d.Round(time.Microsecond)) / float64(time.Millisecond)
	return &f
}

// short rounds a duration to three digits or so.
func short(d time.Duration) time.Duration {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond)
	case d >= 10*time.Millisecond:
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(10 * time.Microsecond)
}

func (p *printer) json(l line) error {
	l.Target = p.config.target
	return json.NewEncoder(p.env.Stdout).Encode(l)
}

// status prints the answer to one check.
func (p *printer) status(service string, st health.Status, connect, rpc time.Duration) error {
	if p.config.output == "json" {
		return p.json(line{Service: service, Status: st.String(), Connect: ms(connect), RPC: ms(rpc)})
	}
	_, err := fmt.Fprintf(p.env.Stdout, "%s (connected in %v, answered in %v)\n", p.paint(st), short(connect), short(rpc))
	return err
}

// change prints a status of a watch.
func (p *printer) change(service string, st health.Status) error {
	if p.config.output == "json" {
		return p.json(line{Service: service, Status: st.String()})
	}
	_, err := fmt.Fprintln(p.env.Stdout, p.paint(st))
	return err
}

// reached prints the status that was waited for.
func (p *printer) reached(service, st string, waited time.Duration) error {
	if p.config.output == "json" {
		return p.json(line{Service: service, Status: st, Waited: ms(waited)})
	}
	_, err := fmt.Fprintf(p.env.Stdout, "%s (after %v)\n", st, short(waited))
	return err
}

// all prints the statuses of all services, by name; the server as a whole has none and comes first.
func (p *printer) all(statuses map[string]health.Status) error {
	names := slices.Sorted(maps.Keys(statuses))
	width := 0
	for _, name := range names {
		width = max(width, len(shown(name)))
	}
	for _, name := range names {
		var err error
		if p.config.output == "json" {
			err = p.json(line{Service: name, Status: statuses[name].String()})
		} else {
			_, err = fmt.Fprintf(p.env.Stdout, "%-*s  %s\n", width, shown(name), p.paint(statuses[name]))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// shown returns a service's name for the terminal.
func shown(service string) string {
	if service == "" {
		return "(the server)"
	}
	return cli.Printable(service)
}

// paint returns a status in colour on a terminal.
func (p *printer) paint(st health.Status) string {
	style := cli.NewStyle(p.env.ColorOut)
	if st == health.Serving {
		return style.Good(st.String())
	}
	return style.Error(st.String())
}
