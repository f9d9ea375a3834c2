package load

import (
	"fmt"
	"io"
	"time"
)

// Result is what a run measured. A call is the mode's piece of work: a unary call, a round
// trip, or a message of a stream.
type Result struct {
	Impl    string  `json:"impl"`
	Mode    Mode    `json:"mode"`
	Conns   int     `json:"conns"`
	Callers int     `json:"callers"`
	Size    int     `json:"size"`
	Rate    float64 `json:"rate"` // asked for; 0: closed loop
	Seconds float64 `json:"seconds"`
	Calls   uint64  `json:"calls"`
	Errors  uint64  `json:"errors"`
	// FirstError is the text of the first failed call.
	FirstError string `json:"first_error,omitempty"`

	CallsPerSecond    float64 `json:"calls_per_second"`
	MessagesPerSecond float64 `json:"messages_per_second"` // sent or answered, one direction
	// MegabytesPerSecond counts payload in one direction, in units of 1,000,000 bytes.
	MegabytesPerSecond float64 `json:"megabytes_per_second"`
	// BesideMegabytesPerSecond is the same of the stream beside.
	BesideMegabytesPerSecond float64 `json:"beside_megabytes_per_second,omitempty"`
	// CPUMicrosPerCall and AllocsPerCall are the client process's, user and system time.
	CPUMicrosPerCall float64 `json:"cpu_us_per_call"`
	AllocsPerCall    float64 `json:"allocs_per_call"`
	// Latency is from start (open loop: due time) to answer; zeros in modes server, client.
	Latency Latency `json:"latency_us"`
}

// Latency holds percentiles in microseconds.
type Latency struct {
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p99.9"`
	Max  float64 `json:"max"`
}

func latencyOf(h *Histogram) Latency {
	us := func(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
	return Latency{us(h.Quantile(0.5)), us(h.Quantile(0.9)), us(h.Quantile(0.99)), us(h.Quantile(0.999)), us(h.Max())}
}

// WriteText prints the result for people.
func (r *Result) WriteText(w io.Writer) error {
	loop := "closed loop"
	if r.Rate > 0 {
		loop = fmt.Sprintf("open loop, %.0f/s asked for", r.Rate)
	}
	_, err := fmt.Fprintf(w, `%s %s: %d connections, %d callers, %d payload bytes, %s, %.1f s
  calls/s     %.0f
  messages/s  %.0f
  MB/s        %.1f
  CPU/call    %.2f us (this process)
  allocs/call %.1f (this process)
  latency     p50 %.0f us, p90 %.0f us, p99 %.0f us, p99.9 %.0f us, max %.0f us
`, r.Impl, r.Mode, r.Conns, r.Callers, r.Size, loop, r.Seconds,
		r.CallsPerSecond, r.MessagesPerSecond, r.MegabytesPerSecond, r.CPUMicrosPerCall, r.AllocsPerCall,
		r.Latency.P50, r.Latency.P90, r.Latency.P99, r.Latency.P999, r.Latency.Max)
	if err == nil && r.BesideMegabytesPerSecond > 0 {
		_, err = fmt.Fprintf(w, "  beside      %.1f MB/s\n", r.BesideMegabytesPerSecond)
	}
	if err == nil && r.Errors > 0 {
		_, err = fmt.Fprintf(w, "  ERRORS      %d, the first: %s\n", r.Errors, r.FirstError)
	}
	return err
}
