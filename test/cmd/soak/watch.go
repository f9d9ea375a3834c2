package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"time"
)

// figures are what must not grow.
type figures struct {
	heap        uint64 // bytes in use after a collection
	goroutines  int
	descriptors int // -1: not known here
}

func (f figures) String() string {
	return fmt.Sprintf("heap %.1f MB, %d goroutines, %d descriptors", float64(f.heap)/(1<<20), f.goroutines, f.descriptors)
}

func measure() figures {
	runtime.GC()
	runtime.GC() // the second empties the pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	f := figures{heap: m.HeapAlloc, goroutines: runtime.NumGoroutine(), descriptors: -1}
	if list, err := os.ReadDir("/proc/self/fd"); err == nil {
		f.descriptors = len(list)
	}
	return f
}

// watch prints figures and compares those of the run's last quarter with those of its second: under
// load, where what is in flight makes most of the heap, and in moments without calls, where little
// may be left.
type watch struct {
	settings
	soak        *soak
	begun       time.Time
	busy, still []figures
}

func (w *watch) run() {
	w.begun = time.Now()
	tick, pause := time.NewTicker(w.every), time.NewTicker(w.quiet)
	defer tick.Stop()
	defer pause.Stop()
	for !w.soak.over() {
		select {
		case <-tick.C:
			w.busy = append(w.busy, w.line("under load", measure()))
		case <-pause.C:
			w.pause()
			tick.Reset(w.every) // a pause can be long: those whose networks crawl have calls to end
			pause.Reset(w.quiet)
		}
	}
}

func (w *watch) line(when string, f figures) figures {
	fmt.Printf("%7v  %9d calls, %7d ended by faults, %10d messages  %v %s\n", time.Since(w.begun).Round(time.Second),
		w.soak.calls.Load(), w.soak.failed.Load(), w.soak.messages.Load(), f, when)
	return f
}

// pause lets calls end and begins none until it has measured what is left.
func (w *watch) pause() {
	w.soak.calling.Lock()
	defer w.soak.calling.Unlock()
	for deadline := time.Now().Add(10 * time.Second); w.running() > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.soak.wrong("no client has a call, and ten seconds later the servers still count %d", w.running())
			return
		}
	}
	w.still = append(w.still, w.line("in a pause", measure()))
	if w.profiles == "" {
		return
	}
	f, err := os.Create(filepath.Join(w.profiles, fmt.Sprintf("heap-%03d", len(w.still))))
	if err == nil {
		err = errors.Join(pprof.Lookup("heap").WriteTo(f, 0), f.Close())
	}
	if err != nil {
		w.soak.wrong("profile: %w", err)
	}
}

// running is how many calls the servers count.
func (w *watch) running() (n int) {
	for _, srv := range w.soak.servers {
		n += srv.OpenCalls()
	}
	return n
}

// last compares, and looks at what is left when everything has ended.
func (w *watch) last() {
	for i, srv := range w.soak.servers {
		fmt.Printf("server %d, ended by reason: %v\n", i+1, srv.Stats().Ended)
	}
	w.compare("under load", w.busy, 16<<20, most)
	// The least of them: internal/mem may hold 64 MiB more for a while after large messages.
	w.compare("in pauses", w.still, 2<<20, least)
	var f figures
	for range 50 {
		if f = measure(); f.goroutines <= 10 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	fmt.Printf("left at the end: %v\n", f)
	if f.goroutines > 10 {
		w.soak.wrong("%d goroutines are left at the end", f.goroutines)
	}
}

// compare finds growth: half as much again and room more, since the load is random.
func (w *watch) compare(when string, fs []figures, room uint64, of func([]figures) figures) {
	n := len(fs)
	if n < 8 {
		return
	}
	early, late := of(fs[n/4:n/2]), of(fs[3*n/4:])
	fmt.Printf("%-10s  second quarter: %v\n            last quarter:   %v\n", when, early, late)
	if late.heap > early.heap*3/2+room || late.goroutines > early.goroutines*3/2+100 || late.descriptors > early.descriptors*3/2+50 {
		w.soak.wrong("something grows %s: %v in the second quarter, %v in the last", when, early, late)
	}
}

// most takes the highest of each figure.
func most(fs []figures) (m figures) {
	for _, f := range fs {
		m.heap, m.goroutines, m.descriptors = max(m.heap, f.heap), max(m.goroutines, f.goroutines), max(m.descriptors, f.descriptors)
	}
	return m
}

// least takes the lowest of each figure.
func least(fs []figures) figures {
	m := fs[0]
	for _, f := range fs[1:] {
		m.heap, m.goroutines, m.descriptors = min(m.heap, f.heap), min(m.goroutines, f.goroutines), min(m.descriptors, f.descriptors)
	}
	return m
}
