package channel

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Stage is how far an attempt to connect has come.
type Stage int32

const (
	StageSocket Stage = iota
	StageTLS
	StageHTTP2
)

// String says what is being waited for.
func (s Stage) String() string {
	return [...]string{"for the network", "in the TLS handshake", "for the server's SETTINGS"}[s]
}

// trying holds the attempts under way, for those who ask why there is no connection yet. The zero
// value is ready.
type trying struct {
	mu   sync.Mutex // a leaf lock
	list []*try
}

// try is one attempt under way.
type try struct {
	addr  string
	start time.Time
	stage atomic.Int32 // a Stage
}

// reached is told by the dial function.
func (t *try) reached(s Stage) { t.stage.Store(int32(s)) }

func (l *trying) begin(addr string) *try {
	t := &try{addr: addr, start: time.Now()}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, t)
	return t
}

func (l *trying) end(t *try) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = slices.DeleteFunc(l.list, func(o *try) bool { return o == t })
}

// maxTriesTold is how many attempts String describes.
const maxTriesTold = 3

// String describes the attempts under way: "connecting to 10.0.0.1:443 for 3s (in the TLS
// handshake)"; "" if there are none.
func (l *trying) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var parts []string
	for _, t := range l.list[:min(len(l.list), maxTriesTold)] {
		parts = append(parts, fmt.Sprintf("%s for %v (waits %v)", t.addr, time.Since(t.start).Round(time.Millisecond), Stage(t.stage.Load())))
	}
	if n := len(l.list) - len(parts); n > 0 {
		parts = append(parts, fmt.Sprintf("%d more", n))
	}
	if len(parts) == 0 {
		return ""
	}
	return "connecting to " + strings.Join(parts, ", ")
}
