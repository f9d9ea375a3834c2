package main

import (
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/naru-rpc/naru"
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

// watch prints figures and compares those of the run's last quarter with those of its second.
type watch struct {
	soak    *soak
	srv     *naru.Server
	begun   time.Time
	samples []figures
}

func (w *watch) run(every time.Duration) {
	w.begun = time.Now()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for !w.soak.over() {
		<-tick.C
		f := measure()
		w.samples = append(w.samples, f)
		fmt.Printf("%7v  %9d calls, %7d ended by faults, %10d messages  %v\n", time.Since(w.begun).Round(time.Second),
			w.soak.calls.Load(), w.soak.failed.Load(), w.soak.messages.Load(), f)
	}
}

// last compares, and looks at what is left when everything has ended.
func (w *watch) last() {
	fmt.Printf("ended by reason: %v\n", w.srv.Stats().Ended)
	n := len(w.samples)
	if n >= 8 {
		early, late := most(w.samples[n/4:n/2]), most(w.samples[3*n/4:])
		fmt.Printf("second quarter: %v\nlast quarter:   %v\n", early, late)
		// Half as much again, and some: the load is random, growth is not.
		if late.heap > early.heap*3/2+16<<20 || late.goroutines > early.goroutines*3/2+100 || late.descriptors > early.descriptors*3/2+50 {
			w.soak.wrong("something grows: %v in the second quarter, %v in the last", early, late)
		}
	}
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

// most takes the highest of each figure.
func most(fs []figures) (m figures) {
	for _, f := range fs {
		m.heap, m.goroutines, m.descriptors = max(m.heap, f.heap), max(m.goroutines, f.goroutines), max(m.descriptors, f.descriptors)
	}
	return m
}
