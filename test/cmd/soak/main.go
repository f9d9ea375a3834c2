// Command soak runs a naru server and clients against each other for minutes or hours: calls of all kinds and
// sizes, connections that come, go and break, from a seed that it prints. It ends with an error if heap,
// goroutines or descriptors grow, or if a call ends in a way that the faults do not explain.
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
	length := flag.Duration("for", 2*time.Minute, "how long to run")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()), "what the faults are drawn from")
	callers := flag.Int("callers", 16, "calls at a time")
	every := flag.Duration("every", 10*time.Second, "time between two lines of figures")
	flag.Parse()
	fmt.Printf("seed %d, %d callers, %v\n", *seed, *callers, *length)
	if err := run(*length, *every, *seed, *callers); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}
