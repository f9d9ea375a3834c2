package load

import (
	"syscall"
	"time"
)

// sleepExactly asks for timers of this thread to fire within a nanosecond of their time
// instead of the usual 50 microseconds.
func sleepExactly() {
	const prSetTimerSlack = 29
	_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, prSetTimerSlack, 1, 0)
}

// threadSleep sleeps in the kernel: the runtime's own timers are late by up to a millisecond
// when the process is idle.
func threadSleep(d time.Duration) {
	ts := syscall.NsecToTimespec(int64(d))
	_ = syscall.Nanosleep(&ts, nil) // woken early by a signal: the next call is a little early
}

// cpuTime is the user and system time this process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
