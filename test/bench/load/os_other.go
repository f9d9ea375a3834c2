//go:build !linux

package load

import (
	"runtime/metrics"
	"time"
)

func sleepExactly() {}

func threadSleep(d time.Duration) { time.Sleep(d) }

// cpuTime is an estimate by the runtime, brought up to date at every collection.
func cpuTime() time.Duration {
	sample := []metrics.Sample{{Name: "/cpu/classes/user:cpu-seconds"}}
	metrics.Read(sample)
	return time.Duration(sample[0].Value.Float64() * float64(time.Second))
}
