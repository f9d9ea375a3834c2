package matrix

import (
	"fmt"
	"slices"
	"strings"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/test/internal/pair"
)

// A want is what a row has to end with.
type want struct {
	codes []codes.Code
	// whole: everything that was planned has to be there.
	whole bool
	// detailed: the details have to be there; otherwise they must not be.
	detailed bool
	// unseen: the handler must not have run.
	unseen bool
	// says is part of the status message that a client of naru, or of a naru server, has to see.
	says string
}

func (w want) String() string {
	var names []string
	for _, c := range w.codes {
		names = append(names, c.String())
	}
	s := strings.Join(names, " or ")
	if w.says != "" {
		s += fmt.Sprintf(" that says %q", w.says)
	}
	return s
}

// want returns what has to come of a row. Sizes up to a limit go through; beyond it a message is
// RESOURCE_EXHAUSTED (doc/statuscodes.md: "Received message larger than configured max", on either
// side); a header section that the peer does not take is RESOURCE_EXHAUSTED, or INTERNAL from
// grpc-go; details that do not fit may be left out, since they are an addition to the status.
func (g *group) want(what subject, d degree) want {
	if d == below || d == at {
		w := want{codes: []codes.Code{codes.OK}, whole: true}
		if what == details {
			w.codes, w.detailed = []codes.Code{refusedCode}, true
		}
		return w
	}
	tooLarge := []codes.Code{codes.ResourceExhausted, codes.Internal}
	switch what {
	case requestMessage, responseMessage:
		return want{codes: tooLarge[:1], says: "large"}
	case requestHeader:
		return want{codes: tooLarge, unseen: true, says: "header"}
	case requestFields:
		return want{codes: tooLarge, unseen: true}
	case details:
		if g.combination.server.Name == pair.Naru.Name {
			return want{codes: append(tooLarge, refusedCode)}
		}
		return want{codes: tooLarge}
	}
	return want{codes: tooLarge}
}

// check returns what is wrong with a response, and why that matters, or nothing.
func (w want) check(res pair.Response, p plan, what subject, k pair.Kind) (got, why string) {
	got = fmt.Sprintf("%v %.160q", res.Code, res.Message)
	if !slices.Contains(w.codes, res.Code) {
		return got, "another status"
	}
	if res.Code != codes.OK && res.Message == "" {
		return got, "an error without a message"
	}
	if w.says != "" && !strings.Contains(strings.ToLower(res.Message), w.says) {
		return got, "the message does not name the limit"
	}
	if !w.whole {
		if res.DetailBytes != 0 {
			return fmt.Sprintf("details of %d bytes", res.DetailBytes), "details that were too large came"
		}
		return got, ""
	}
	if missing := w.missing(res, p); missing != "" {
		return missing, "what was sent is not what came"
	}
	return got, ""
}

// missing says what of a plan did not come.
func (w want) missing(res pair.Response, p plan) string {
	count := func(md map[string][]string) (pads, fields int) {
		for name, values := range md {
			if name == "pad" {
				pads += len(strings.Join(values, ""))
			} else if strings.HasPrefix(name, "f") {
				fields++
			}
		}
		return pads, fields
	}
	headerPad, headerFields := count(res.Header)
	trailerPad, trailerFields := count(res.Trailer)
	switch {
	case headerPad != p.header || headerFields != p.headerFields:
		return fmt.Sprintf("header with %d bytes, %d fields", headerPad, headerFields)
	case trailerPad != p.trailer || trailerFields != p.trailerFields:
		return fmt.Sprintf("trailer with %d bytes, %d fields", trailerPad, trailerFields)
	case w.detailed && res.DetailBytes != p.details:
		return fmt.Sprintf("details of %d bytes", res.DetailBytes)
	case w.detailed:
		return ""
	case len(res.Messages) != 1 || res.Messages[0] != padding(p.message, "answer"):
		return fmt.Sprintf("%d messages", len(res.Messages))
	}
	return ""
}
