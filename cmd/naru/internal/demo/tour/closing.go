package tour

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/naru-rpc/naru/cmd/naru/internal/demo/wiretap"
)

// closing sums up what went over the wire.
func closing(p *printer, tap *wiretap.Tap, view *wireView) {
	var rest []string
	for _, name := range slices.Sorted(maps.Keys(view.frames)) {
		rest = append(rest, fmt.Sprintf("%d %s", view.frames[name], name))
	}
	p.blank()
	p.line(p.paint(strong, strings.Repeat("─", width)))
	p.blank()
	p.text(fmt.Sprintf("All of it went over %s: %s. Not shown above: %s.",
		count(tap.Conns(), "connection"), view.total(), strings.Join(rest, ", ")))
}
