package yield

import "syscall"

// yieldThread lets other threads run on this processor. The goroutine keeps its P: the runtime's bookkeeping
// would cost more than the call, which returns at once if nobody waits.
func yieldThread() { _, _, _ = syscall.RawSyscall(syscall.SYS_SCHED_YIELD, 0, 0, 0) }
