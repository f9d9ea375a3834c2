package middleware

import (
	"math"
	"sync"
	"time"
)

const (
	shedWindow    = 100 * time.Millisecond // a window is at least as long
	shedSamples   = 20                     // and has at least as many samples, or lasts
	shedMaxWindow = time.Second
	probeEvery    = 30 * time.Second // a busy limiter measures the time without load again as often
	probeGain     = 0.9              // a probe goes on while half the limit makes calls so much faster
	shedMethods   = 1024             // methods that are told apart
	smoothing     = 0.3              // how far the limit moves to the new one in one window
	drift         = 0.1              // how fast the time without load follows a method that has become slower
)

// A limiter adapts a limit of calls to how long they take: gradient descent as in Netflix's
// concurrency-limits (Gradient2), on the ratio of the time a call took to the time of its method
// without load. In equilibrium calls take Tolerance times as long as without load, or a little
// more, so that there is always one to run, and a short queue.
//
// While few calls run, their time is the time without load. A server that is always busy has to be
// probed for it: at the first window, and then every 30 seconds, the limit is halved until that
// makes calls no faster. Without that the time under load would become the measure, and the limit
// would grow for ever.
type limiter struct {
	// immutable
	config *ShedLoadConfig

	mu      sync.Mutex
	limit   float64
	running int
	peak    int // most running in this window, refused ones included
	methods map[string]*methodTime

	window  time.Time // when it began; zero: no call yet
	samples int
	ratios  float64 // sum over the samples of took / unloaded

	probe    probeState
	probedAt time.Time // when the last probe ended; zero: never
}

// probeState is whether the time without load is being measured.
type probeState uint8

const (
	probeNot   probeState = iota
	probeDrain            // more calls run than the halved limit allows
	probeRun
)

// methodTime is how long the calls of a method take.
type methodTime struct {
	unloaded float64 // seconds; 0: not known
	sum      float64 // of this window
	n        int
}

func newLimiter(c *ShedLoadConfig) *limiter {
	if c.Min <= 0 {
		c.Min = 4
	}
	if c.Max <= 0 {
		c.Max = 10000
	}
	c.Max = max(c.Max, c.Min)
	if c.Initial <= 0 {
		c.Initial = 20
	}
	if c.Tolerance < 1 || math.IsNaN(c.Tolerance) {
		c.Tolerance = 1.5
	}
	return &limiter{config: c, limit: float64(min(max(c.Initial, c.Min), c.Max)), methods: map[string]*methodTime{}}
}

// acquire reports whether a call may run; hold: it counts until release.
func (l *limiter) acquire(share float64, hold bool) (limit int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	limit = int(l.limit)
	if float64(l.running) >= max(1, math.Floor(l.limit*share)) {
		l.peak = max(l.peak, limit) // calls that were refused would have run
		return limit, false
	}
	if hold {
		l.running++
		l.peak = max(l.peak, l.running)
	}
	return limit, true
}

func (l *limiter) release(method string, began, now time.Time, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running--
	if l.window.IsZero() {
		l.window = began
	}
	if ok && !began.Before(l.window) { // a call that began in this window shows this window's load
		l.sampleLocked(method, now.Sub(began).Seconds())
	}
	age := now.Sub(l.window)
	switch ended := age >= shedWindow && l.samples >= shedSamples || age >= shedMaxWindow; {
	case l.probe == probeDrain && float64(l.running) <= l.limit:
		l.probe = probeRun
		l.nextWindowLocked(now)
	case l.probe == probeRun && ended:
		l.probeLocked(now)
	case l.probe == probeNot && ended:
		l.adaptLocked(now)
	}
}

func (l *limiter) sampleLocked(method string, took float64) {
	m := l.methods[method]
	if m == nil {
		if len(l.methods) >= shedMethods {
			method = ""
		}
		if m = l.methods[method]; m == nil {
			m = new(methodTime)
			l.methods[method] = m
		}
	}
	took = max(took, 1e-6)
	m.sum += took
	m.n++
	l.samples++
	if m.unloaded == 0 {
		l.ratios++
	} else {
		l.ratios += took / m.unloaded
	}
}

// adaptLocked ends a window and sets the limit of the next.
func (l *limiter) adaptLocked(now time.Time) {
	defer l.nextWindowLocked(now)
	if l.samples == 0 {
		return
	}
	busy := float64(l.peak) >= l.limit/2
	if busy && (l.probedAt.IsZero() || now.Sub(l.probedAt) >= probeEvery) {
		l.learnLocked(1)
		l.halveLocked()
		return
	}
	ratio := l.ratios / float64(l.samples)
	gradient := min(1, max(0.5, l.config.Tolerance/ratio))
	next := l.limit*gradient + math.Sqrt(l.limit)
	if next > l.limit && !busy {
		next = l.limit // no call needs more
	}
	l.setLocked(l.limit + smoothing*(next-l.limit))
	if busy {
		l.learnLocked(0)
	} else {
		l.learnLocked(drift)
	}
}

func (l *limiter) setLocked(limit float64) {
	l.limit = min(max(limit, float64(l.config.Min)), float64(l.config.Max))
}

// learnLocked takes from the window what it says of the time without load: all of a shorter time,
// and of a longer one the part that up says.
func (l *limiter) learnLocked(up float64) {
	for _, m := range l.methods {
		if m.n == 0 {
			continue
		}
		mean := m.sum / float64(m.n)
		switch {
		case m.unloaded == 0:
			m.unloaded = mean
		case m.n < 5: // too few to say so
		case mean < m.unloaded:
			m.unloaded = mean
		default:
			m.unloaded += up * (mean - m.unloaded)
		}
	}
}

func (l *limiter) nextWindowLocked(now time.Time) {
	l.window, l.samples, l.ratios, l.peak = now, 0, 0, l.running
	for _, m := range l.methods {
		m.sum, m.n = 0, 0
	}
}

// halveLocked begins a probe, or its next step.
func (l *limiter) halveLocked() {
	l.limit = max(1, l.limit/2)
	l.probe = probeDrain
}

// probeLocked ends a step of a probe.
func (l *limiter) probeLocked(now time.Time) {
	faster := l.samples > 0 && l.ratios/float64(l.samples) < probeGain
	l.learnLocked(0)
	if faster && l.limit > 1 {
		l.halveLocked()
	} else {
		l.probe, l.probedAt = probeNot, now
		l.setLocked(2 * l.limit * l.config.Tolerance) // at twice this limit calls were as fast
	}
	l.nextWindowLocked(now)
}
