package matrix

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/test/internal/pair"
)

// A stage is where a call is when it ends, or when it is let go on.
type stage string

const (
	queued     stage = "queued"     // the server takes no more streams of the connection
	connecting stage = "connecting" // dialing takes its time
	sending    stage = "sending"    // the network stands still in the middle of the request
	unread     stage = "unread"     // the handler does not receive
	waiting    stage = "waiting"    // the handler has the request and does not respond
	receiving  stage = "receiving"  // the network stands still in the middle of the response
	between    stage = "between"    // the handler has sent one of two messages
)

var stages = []stage{queued, connecting, sending, unread, waiting, receiving, between}

// possible reports whether calls of the kind come to the stage over the transport.
func (s stage) possible(k pair.Kind, tr transport) bool {
	switch s {
	case connecting, sending, receiving:
		return tr != inProcess
	case unread:
		return k.ManyRequests()
	case between:
		return k.ManyResponses()
	}
	return true
}

// An ending is what ends a call that is held at a stage.
type ending string

const (
	letGo    ending = "none"
	deadline ending = "deadline"
	canceled ending = "cancel"
)

var endings = []ending{letGo, deadline, canceled}

const (
	// lifetime is the deadline of rows that end by one: long enough to come to the stage before.
	lifetime = 250 * time.Millisecond
	// bulk is the size of messages that do not fit any window or buffer in between.
	bulk = 1 << 20
	// passing is how much of one of them passes before the network stands still.
	passing = 20_000
)

// A held is a handler whose calls stop at a stage until they are released. Rows are told apart by
// the metadata "row"; "stage" says where to stop.
type held struct {
	mu   sync.Mutex
	rows map[string]*heldRow // guarded by mu

	running atomic.Int64
}

type heldRow struct {
	entered, release, left      chan struct{} // closed by the functions beside them
	enterOnce, letGo, leaveOnce func()        // the handler has come to its stage, may go on, has returned
}

func newHeldRow() *heldRow {
	r := &heldRow{entered: make(chan struct{}), release: make(chan struct{}), left: make(chan struct{})}
	r.enterOnce = sync.OnceFunc(func() { close(r.entered) })
	r.letGo = sync.OnceFunc(func() { close(r.release) })
	r.leaveOnce = sync.OnceFunc(func() { close(r.left) })
	return r
}

func (h *held) row(name string) *heldRow {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.rows[name]
	if r == nil {
		r = newHeldRow()
		h.rows[name] = r
	}
	return r
}

func (h *held) serve(c pair.ServerCall) error {
	h.running.Add(1)
	defer h.running.Add(-1)
	r, s := h.row(c.Metadata("row")), stage(c.Metadata("stage"))
	defer r.leaveOnce()
	hold := func() error {
		r.enterOnce()
		select {
		case <-r.release:
			return nil
		case <-c.Context().Done():
			return c.Context().Err()
		}
	}
	if s == unread {
		if err := hold(); err != nil {
			return err
		}
	}
	size := 0
	m, err := c.Recv()
	for ; err == nil; m, err = c.Recv() {
		size += len(m)
	}
	if err != io.EOF {
		return err
	}
	if s == between {
		if err := c.Send("first"); err != nil {
			return err
		}
	}
	if s == waiting || s == between {
		if err := hold(); err != nil {
			return err
		}
	}
	answer := fmt.Sprint(size)
	if s == receiving {
		answer = strings.Repeat("r", bulk)
	}
	return c.Send(answer)
}

// An endRow is one call.
type endRow struct {
	name    string
	kind    pair.Kind
	stage   stage
	ending  ending
	holder  string        // of the stream in front of a queued call: its row in the handler
	valve   *pair.Valve   // of its connection
	tap     *pair.Tap     // of plaintext connections, else it sees nothing
	gate    chan struct{} // closed to let it connect
	reached <-chan struct{}
}

// messages are what the row sends, and answer what has to come when it is let go on.
func (r *endRow) messages() []string {
	size, n := 10, 1
	if r.stage == sending || r.stage == unread {
		size = bulk
	}
	if r.kind.ManyRequests() {
		n = 3
	}
	return slices.Repeat([]string{strings.Repeat("s", size)}, n)
}

func (r *endRow) answer() []string {
	size := 0
	for _, m := range r.messages() {
		size += len(m)
	}
	switch r.stage {
	case receiving:
		return []string{strings.Repeat("r", bulk)}
	case between:
		return []string{"first", fmt.Sprint(size)}
	}
	return []string{fmt.Sprint(size)}
}

func TestEnds(t *testing.T) {
	sec := newSecurity(t)
	var bad failures
	rows := 0
	for _, c := range combinations() {
		g := &endGroup{combination: c, sec: sec, handler: &held{rows: make(map[string]*heldRow)}}
		rows += g.run(t, &bad)
	}
	bad.report(t, rows)
}

// An endGroup is the rows of one combination: they share a server, and run at the same time.
type endGroup struct {
	combination
	sec     security
	handler *held
	server  *pair.Running

	mu  sync.Mutex
	bad *failures // guarded by mu
}

// together is how many rows of a group run at the same time.
const together = 24

func (g *endGroup) run(t *testing.T, bad *failures) (rows int) {
	g.bad = bad
	g.server = g.serve(t, g.sec, pair.ServerConfig{
		Handler: g.handler.serve,
		// One stream for each connection, so that a second call is queued.
		Limits: pair.Limits{Streams: 1, Receive: 2 * bulk},
	})
	var wg sync.WaitGroup
	slots := make(chan struct{}, together) // capacity: rows under way
	for _, k := range pair.Kinds {
		for _, s := range stages {
			for _, e := range endings {
				r := &endRow{kind: k, stage: s, ending: e, name: fmt.Sprintf("%s: %s, %s, %s", g.combination, k, s, e)}
				if !s.possible(k, g.transport) || !selected.MatchString(r.name) {
					continue
				}
				rows++
				slots <- struct{}{}
				wg.Go(func() {
					if late := g.row(r); late != "" {
						// A processor that others use is no fault of the row's: once more.
						again := &endRow{kind: k, stage: s, ending: e, name: r.name + ", again"}
						if late = g.row(again); late != "" {
							g.add(r.name, late, "< "+patience.String(), "the call ends late, twice")
						}
					}
					<-slots
				})
			}
		}
	}
	wg.Wait()
	if !g.quiet() {
		g.add(g.String(), fmt.Sprintf("%d handlers, %d calls", g.handler.running.Load(), g.server.OpenCalls()), "none", "all calls have ended")
	}
	if err := g.server.Stop(5 * time.Second); err != nil {
		g.add(g.String(), err.Error(), "nil", "stopping the server")
	}
	return rows
}

func (g *endGroup) add(row, got, want, why string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.bad.add(row, got, want, why)
}

// row runs a row, and returns how late the call ended if it was late.
func (g *endGroup) row(r *endRow) (late string) {
	r.valve, r.tap, r.gate = pair.NewValve(), pair.NewTap(), make(chan struct{})
	if r.stage != connecting {
		close(r.gate)
	}
	client, err := g.dial(g.sec, pair.ClientConfig{
		Server: g.server, Limits: pair.Limits{Receive: 2 * bulk},
		Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			nc, err := r.dial(ctx, network, addr)
			if err == nil && g.transport == plain {
				nc = r.tap.Wrap(nc)
			}
			return nc, err
		},
		Options: []any{naru.WithConnectionScaling(1)},
	})
	if err != nil {
		g.add(r.name, err.Error(), "a client", "dialing")
		return ""
	}
	opened := sync.OnceFunc(r.valve.Open)
	defer func() {
		opened()
		if err := client.Close(); err != nil {
			g.add(r.name, err.Error(), "nil", "closing the client")
		}
	}()
	behind := g.prepare(client, r)
	defer behind()
	return g.call(client, r, opened)
}

func (r *endRow) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	select {
	case <-r.gate:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	nc, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return r.valve.Wrap(nc), nil
}

// prepare brings the connection into the state that the stage needs: there is one, and it is
// stopped or full. The returned function ends what it left.
func (g *endGroup) prepare(client pair.ClientConn, r *endRow) (end func()) {
	if r.stage == connecting {
		return func() {}
	}
	if res := client.Do(context.Background(), pair.Request{Kind: pair.Unary, Messages: []string{"warm"}}); res.Code != codes.OK {
		g.add(r.name, res.Message, "OK", "a small call before")
	}
	switch r.stage {
	case sending:
		r.reached = r.valve.StopWrites(passing)
	case receiving:
		r.reached = r.valve.StopReads(passing)
	case queued:
		r.holder = r.name + " (in front)"
		done := make(chan struct{})
		go func() {
			defer close(done)
			res := client.Do(context.Background(), pair.Request{
				Kind: pair.Unary, Messages: []string{"holder"}, Metadata: []string{"row", r.holder, "stage", string(waiting)},
			})
			if res.Code != codes.OK {
				g.add(r.name, fmt.Sprintf("%v %q", res.Code, res.Message), "OK", "the call in front")
			}
		}()
		holder := g.handler.row(r.holder)
		<-holder.entered
		return func() {
			holder.letGo()
			<-done
		}
	}
	return func() {}
}

// call makes the row's call, ends it as it is to end, and looks at the outcome.
func (g *endGroup) call(client pair.ClientConn, r *endRow, openValve func()) (late string) {
	began := time.Now() // before the deadline's time begins
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if r.ending == deadline {
		ctx, cancel = context.WithTimeout(ctx, lifetime)
		defer cancel()
	}
	first := make(chan struct{}, 2)      // capacity: responses a row may have
	ended := make(chan pair.Response, 1) // capacity 1: read below, or given up
	go func() {
		ended <- client.Do(ctx, pair.Request{
			Kind: r.kind, Messages: r.messages(), Metadata: []string{"row", r.name, "stage", string(r.stage)},
			Received: func(string) { first <- struct{}{} },
		})
	}()
	g.atStage(r, first)
	from := time.Now() // of the end
	switch r.ending {
	case letGo:
		r.letGo(g, openValve)
	case deadline:
		from = began.Add(lifetime)
	case canceled:
		cancel()
	}
	select {
	case res := <-ended:
		late = g.check(r, res, began, from)
	case <-time.After(patience + lifetime + 3*time.Second):
		g.add(r.name, "no end", "an end", "the call hangs")
		openValve()
		cancel()
		return ""
	}
	g.settled(r)
	openValve()
	g.noStreams(r)
	return late
}

// noStreams waits until the row's connection has no stream left but that in front of a queued call,
// which is held until the row is over.
func (g *endGroup) noStreams(r *endRow) {
	want := 0
	if r.stage == queued && r.ending != letGo && g.transport == plain {
		want = 1
	}
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	late := time.After(patience)
	for r.tap.Open() != want {
		select {
		case <-poll.C:
		case <-late:
			g.add(r.name, fmt.Sprintf("%d streams", r.tap.Open()), fmt.Sprint(want), "streams end with the call")
			return
		}
	}
}

// atStage waits until the call is where it is to be. There is nothing to see of a call that is
// queued or connects: a moment has to do.
func (g *endGroup) atStage(r *endRow, first <-chan struct{}) {
	moment := time.After(20 * time.Millisecond)
	late := time.After(lifetime / 2)
	var reached <-chan struct{}
	switch r.stage {
	case queued, connecting:
		<-moment
		return
	case sending, receiving:
		reached = r.reached
	case unread, waiting:
		reached = g.handler.row(r.name).entered
	case between:
		reached = first
	}
	select {
	case <-reached:
	case <-late:
	}
}

// letGo takes away what holds the call.
func (r *endRow) letGo(g *endGroup, openValve func()) {
	switch r.stage {
	case queued:
		g.handler.row(r.holder).letGo()
	case connecting:
		close(r.gate)
	case sending, receiving:
		openValve()
	default:
		g.handler.row(r.name).letGo()
	}
}

// check compares the outcome, and returns how late it is if it is.
func (g *endGroup) check(r *endRow, res pair.Response, began, from time.Time) (late string) {
	got := fmt.Sprintf("%v %.160q", res.Code, res.Message)
	code := map[ending]codes.Code{letGo: codes.OK, deadline: codes.DeadlineExceeded, canceled: codes.Canceled}[r.ending]
	if res.Code != code {
		g.add(r.name, got, code.String(), "another status")
		return ""
	}
	if took := time.Since(began); r.ending == deadline && took < lifetime-time.Millisecond {
		g.add(r.name, took.String(), lifetime.String(), "ended before its deadline")
	}
	if r.ending == letGo && !slices.Equal(res.Messages, r.answer()) {
		g.add(r.name, fmt.Sprintf("%d messages", len(res.Messages)), fmt.Sprintf("%d", len(r.answer())), "what came is not what was sent")
	}
	if after := time.Since(from); after > patience {
		return after.Round(time.Millisecond).String()
	}
	return ""
}

// settled waits for the handler of a call that has ended. One that was cut off while the network
// works is told of it.
func (g *endGroup) settled(r *endRow) {
	switch r.stage {
	case unread, waiting, between:
	default:
		return
	}
	h := g.handler.row(r.name)
	select {
	case <-h.entered:
	default:
		return // cut off before it began: a busy machine
	}
	select {
	case <-h.left:
	case <-time.After(patience):
		g.add(r.name, "the handler runs on", "its context ends", "the call has ended")
	}
}

// quiet reports whether no handler runs and no call is open, at once or soon: requests that the
// network held come late.
func (g *endGroup) quiet() bool {
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	late := time.After(patience)
	for g.handler.running.Load() != 0 || g.server.OpenCalls() > 0 {
		select {
		case <-poll.C:
		case <-late:
			return false
		}
	}
	return true
}
