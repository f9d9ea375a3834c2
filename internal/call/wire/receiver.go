package wire

// States of the receiving side of a call. The reader half of its [Reassembler] belongs to the
// goroutine inside RecvMsg; the end of a call leaves it to that one to clean up.
const (
	ReceiverIdle int32 = iota
	ReceiverBusy
	ReceiverClosed
)
