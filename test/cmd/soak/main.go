// Command soak runs a naru server and clients against each other for minutes or hours: calls of all
// kinds and sizes, connections that come, go and break, from a seed that it prints. It ends with an
// error if heap, goroutines or descriptors grow, or if a call ends in a way that the faults do not
// explain.
//
//	go run ./cmd/soak -for 30m
package main

import (
	"flag"
	"fmt"
	"os"
	"time"
)

func main() {
	var o settings
	flag.DurationVar(&o.length, "for", 2*time.Minute, "how long to run")
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "what the faults are drawn from")
	flag.IntVar(&o.callers, "callers", 16, "calls at a time")
	flag.DurationVar(&o.every, "every", 10*time.Second, "time between two lines of figures")
	flag.DurationVar(&o.quiet, "quiet", time.Minute, "time between two moments without calls")
	flag.StringVar(&o.profiles, "profiles", "", "write a profile of the heap in each such moment to this folder")
	flag.Parse()
	fmt.Printf("seed %d, %d callers, %v\n", o.seed, o.callers, o.length)
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}
