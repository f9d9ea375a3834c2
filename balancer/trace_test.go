package balancer

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/resolver"
)

var update = flag.Bool("update", false, "write what was got into testdata")

// TestTraces runs every script in testdata: blocks of commands, a line of dashes, what came of
// them, an empty line. A "#" begins a comment. The commands are the methods of tracer.
func TestTraces(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no traces in testdata: %v", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) { runTrace(t, f) })
	}
}

func runTrace(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	tr := &tracer{t: t, h: newFakeHost()}
	var out strings.Builder
	for _, b := range blocks(string(text)) {
		for line := range strings.Lines(b.cmds) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				tr.run(line)
				tr.h.settle()
			}
		}
		got := tr.h.flush()
		if got != b.want && !*update {
			t.Errorf("%s, after\n%sgot:\n%swant:\n%s", file, b.cmds, got, b.want)
		}
		out.WriteString(b.cmds + "----\n" + got + "\n")
	}
	if *update {
		if err := os.WriteFile(file, []byte(strings.TrimRight(out.String(), "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// block is some commands and what should come of them.
type block struct{ cmds, want string }

func blocks(text string) (bs []block) {
	var b block
	expecting := false
	for line := range strings.Lines(strings.TrimRight(text, "\n") + "\n\n") {
		switch {
		case line == "----\n":
			expecting = true
		case line == "\n" && expecting:
			bs = append(bs, b)
			b, expecting = block{}, false
		case line == "\n" && b.cmds == "":
		case expecting:
			b.want += line
		default:
			b.cmds += line
		}
	}
	return bs
}

// tracer runs the commands of a trace.
type tracer struct {
	t      *testing.T
	h      *fakeHost
	policy Policy
	bal    Balancer
	held   []*Pick // picks not done yet
}

func (tr *tracer) run(line string) {
	cmd, rest, _ := strings.Cut(line, " ")
	args := strings.Fields(rest)
	switch cmd {
	case "policy": // policy NAME {json}
		tr.setPolicy(args[0], strings.TrimSpace(strings.TrimPrefix(rest, args[0])))
	case "update": // update a:1 b:1,b:2 c:1*5   (an endpoint of two addresses; a weight)
		if err := tr.bal.Update(Update{Endpoints: endpoints(args), Policy: tr.policy}); err != nil {
			tr.h.note("error: %v", err)
		}
	case "fail":
		tr.bal.Fail(errors.New(rest))
	case "exitidle":
		tr.bal.ExitIdle()
	case "close":
		tr.bal.Close()
	case "advance":
		d, err := time.ParseDuration(args[0])
		tr.check(line, err)
		tr.h.advance(d)
	case "health":
		s, e := tr.event(line, args)
		s.opts.OnHealth(e)
	case "IDLE", "CONNECTING", "READY", "TRANSIENT_FAILURE":
		s, e := tr.event(line, args)
		s.opts.OnState(e)
		if e.State == connectivity.Ready && s.opts.OnHealth != nil && !slices.Contains(args, "unhealthy") {
			s.opts.OnHealth(e)
		}
	case "up": // up a:1 b:1: they connect
		for _, a := range args {
			tr.run("CONNECTING " + a)
			tr.run("READY " + a)
			tr.h.settle()
		}
	case "load": // load a:1 cpu=0.5 qps=100 eps=1: a report out of band
		tr.h.sub(args[0]).load(loadReport(args[1:]))
	case "calls": // calls a:1 20 [fail=10] [ms=5] [load=cpu=0.5,qps=100]: picks until so many went there and ended so
		tr.calls(args)
	case "pick": // pick 12 [key=value]: tells where the calls go, in order; they end well at once
		tr.pick(args)
	case "hold": // hold 3: like pick, but the calls do not end
		tr.hold(args)
	case "end": // end CODE: the calls held end
		for _, p := range tr.held {
			p.Done(&DoneInfo{Code: codeOf(args[0]), Sent: true, Received: true})
		}
		tr.held = nil
	default:
		tr.t.Fatalf("unknown command %q", line)
	}
}

func codeOf(name string) codes.Code {
	if name == "OK" {
		return codes.OK
	}
	return codes.Unavailable
}

func (tr *tracer) check(line string, err error) {
	if err != nil {
		tr.t.Fatalf("%s: %v", line, err)
	}
}

// event reads "STATE addr [why]".
func (tr *tracer) event(line string, args []string) (*fakeSub, SubConnState) {
	name := strings.Fields(line)[0]
	if name == "health" { // health addr STATE [why]
		name, args = args[1], append([]string{args[0]}, args[2:]...)
	}
	s := tr.h.sub(args[0])
	if s == nil {
		tr.t.Fatalf("%s: nothing leads there", line)
	}
	var e SubConnState
	for st := connectivity.Idle; st <= connectivity.Shutdown; st++ {
		if st.String() == name {
			e.State = st
		}
	}
	if len(args) > 1 {
		e.Err = errors.New(args[0] + ": " + strings.Join(args[1:], " "))
	}
	return s, e
}

func endpoints(args []string) []resolver.Endpoint {
	var eps []resolver.Endpoint
	for _, a := range args {
		var e resolver.Endpoint
		a, weight, found := strings.Cut(a, "*")
		if found {
			fmt.Sscan(weight, &e.Weight)
		}
		for addr := range strings.SplitSeq(a, ",") {
			e.Addresses = append(e.Addresses, resolver.EndpointsOf(addr)[0].Addresses...)
		}
		eps = append(eps, e)
	}
	return eps
}

func (tr *tracer) picks(args []string) []*Pick {
	n := 1
	var call CallInfo
	for _, a := range args {
		if k, v, ok := strings.Cut(a, "="); ok {
			call.Metadata = metadata.MD{k: {v}}
		} else {
			fmt.Sscan(a, &n)
		}
	}
	var ps []*Pick
	var where []string
	tally := map[string]int{}
	for range n {
		p := &Pick{}
		if err := tr.h.state.Picker.Pick(&call, p); err != nil {
			where = append(where, "error: "+err.Error())
			continue
		}
		where = append(where, p.SubConn.Address().String())
		tally[p.SubConn.Address().String()]++
		ps = append(ps, p)
	}
	if len(where) > 20 {
		where = nil
		for _, addr := range slices.Sorted(maps.Keys(tally)) {
			where = append(where, fmt.Sprintf("%s %d times", addr, tally[addr]))
		}
	}
	tr.h.note("picked %s", strings.Join(where, " "))
	return ps
}

func (tr *tracer) pick(args []string) {
	for _, p := range tr.picks(args) {
		p.Done(&DoneInfo{Sent: true, Received: true})
	}
}

// calls makes picks until n went to addr, and lets all that went there end as told and all others
// well.
func (tr *tracer) calls(args []string) {
	n, fail, ms := 0, 0, 0
	var load string
	fmt.Sscan(args[1], &n)
	for _, a := range args[2:] {
		switch k, v, _ := strings.Cut(a, "="); k {
		case "fail":
			fmt.Sscan(v, &fail)
		case "ms":
			fmt.Sscan(v, &ms)
		case "load":
			load = string(AppendLoadReport(nil, loadReport(strings.Split(v, ","))))
		}
	}
	for range 100 * n {
		p := &Pick{}
		if err := tr.h.state.Picker.Pick(&CallInfo{}, p); err != nil {
			tr.t.Fatalf("calls %v: %v", args, err)
		}
		if p.SubConn.Address().String() != args[0] {
			continue // as if it had not been made: nobody hears of its end
		}
		d := DoneInfo{Sent: true, Received: true, Load: load}
		if n <= fail {
			d.Code = codes.Unavailable
		}
		start := tr.h.now
		tr.h.now = start.Add(time.Duration(ms) * time.Millisecond)
		p.Done(&d)
		tr.h.now = start // the trace's clock moves by advance only
		if n--; n == 0 {
			return
		}
	}
	tr.t.Fatalf("calls %v: too few picks went there", args)
}

func loadReport(fields []string) *LoadReport {
	r := &LoadReport{}
	for _, f := range fields {
		k, v, _ := strings.Cut(f, "=")
		dst := map[string]*float64{"cpu": &r.CPU, "app": &r.Application, "qps": &r.QPS, "eps": &r.EPS}[k]
		fmt.Sscan(v, dst)
	}
	return r
}

func (tr *tracer) hold(args []string) { tr.held = append(tr.held, tr.picks(args)...) }
