package stats

import (
	"time"

	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/metadata"
)

// CallBegun describes a call that begins.
type CallBegun struct {
	// Side is the end this process is.
	Side Side
	// Method is the path on the wire: "/package.Service/method". On a server it may be anything a
	// peer has sent, unless Registered is set.
	Method string
	// Registered reports that the program knows the method: that the server has it, or that the
	// client calls it through generated code. The names of other methods must not become labels of
	// metrics, since there is no bound on their number.
	Registered bool
	// ClientStreams and ServerStreams say who may send more than one message.
	ClientStreams, ServerStreams bool
	// Target is what a client was made for; "" on a server.
	Target string
	// Conn is the connection a server got the call on; nil on a client, which has none yet.
	Conn *Conn
	// Began is when the call began: on a server when its header had arrived.
	Began time.Time
	// Deadline is when it has to end; zero: not limited.
	Deadline time.Time
	// Queued is how long a server let the call wait before it began to work on it, with the time
	// the rest of a request took to arrive that is one message.
	Queued time.Duration
}

// AttemptBegun reports that a client's call is about to be sent: a connection is chosen next.
type AttemptBegun struct {
	// Number counts the attempts of the call from 1.
	Number int
	// Transparent: the server is known not to have worked on the attempt before, so that it does
	// not count as a retry (gRFC A6).
	Transparent bool
	// Hedged: others may be under way.
	Hedged bool
	// At is when.
	At time.Time

	// Observer is set by the call's observer to the one that is told of this attempt's further
	// events; nil: the call's observer is told.
	Observer Observer
	// Header is added by the call's observer to the metadata of this attempt, as pairs of a key and
	// a value. Pairs that metadata.ValidateKey or metadata.ValidateValue refuse are not sent.
	Header []string
}

// Add appends a pair to Header.
func (e *AttemptBegun) Add(key, value string) { e.Header = append(e.Header, key, value) }

// Delayed reports that an attempt had to wait before it was sent. It comes once, when the wait is
// over.
type Delayed struct {
	// Number of the attempt.
	Number int
	// Waits are the times for names, for a connection and for a free stream.
	Waits connectivity.Waits
}

// AttemptSent reports that a stream was opened for an attempt.
type AttemptSent struct {
	// Number of the attempt.
	Number int
	// Conn is the connection it was sent on.
	Conn *Conn
	// At is when.
	At time.Time
}

// AttemptEnded reports the end of an attempt.
type AttemptEnded struct {
	// Number of the attempt.
	Number int
	// Err is its status error, nil for OK. Attempts that were not needed any more end with
	// CANCELLED.
	Err error
	// Reason says in one short stable word what ended it if Err is not nil: the keys of
	// naru.ClientStats.Reasons.
	Reason string
	// Conn is the connection it was sent on; nil if there was none.
	Conn *Conn
	// Sent and Received count its messages.
	Sent, Received Count
	// Waits are the times for names, for a connection and for a free stream.
	Waits connectivity.Waits
	// At is when.
	At time.Time
	// Elapsed is the time since AttemptBegun.
	Elapsed time.Duration
}

// CallEnded reports the end of a call. On a client it follows the end of the last attempt, on a
// server the handler's return and the queueing of the response.
type CallEnded struct {
	// Err is the status error, nil for OK.
	Err error
	// Reason says in one short stable word what ended the call if Err is not nil. On a client they
	// are the keys of naru.ClientStats.Reasons; on a server "handler" (it chose the status),
	// "deadline", "canceled" (by the client), "connection" (it was lost), "refused" (before work on
	// the call began).
	Reason string
	// Sent and Received count the messages, each once however many attempts there were.
	Sent, Received Count
	// Attempts is how many attempts there were; 0 on a server.
	Attempts int
	// Retries, TransparentRetries and Hedges say why there was more than one attempt.
	Retries, TransparentRetries, Hedges int
	// RetryDelay is how long no attempt was under way between the first and the last.
	RetryDelay time.Duration
	// At is when.
	At time.Time
	// Elapsed is the time since CallBegun.Began.
	Elapsed time.Duration
}

// HeaderReceived reports that the header of the response to an attempt has arrived.
type HeaderReceived struct {
	// Number of the attempt.
	Number int
	// Header is the metadata in it; it must not be changed.
	Header metadata.MD
	// At is when.
	At time.Time
}

// Count adds up the messages of one direction.
type Count struct {
	// Messages is how many there were.
	Messages int
	// Bytes is the sum of the sizes of their encodings.
	Bytes int64
	// WireBytes is the sum of what was sent or received for them: compressed, with the prefix of 5
	// bytes each.
	WireBytes int64
}

// CompressedBytes is WireBytes without the prefixes.
func (c Count) CompressedBytes() int64 { return c.WireBytes - 5*int64(c.Messages) }

// Message describes one message.
type Message struct {
	// Number counts the messages of this direction of the call from 1.
	Number int
	// Size is the bytes of its encoding in memory.
	Size int
	// WireSize is the bytes that travel: compressed, with the prefix of 5 bytes.
	WireSize int
	// Compressed reports whether it is compressed.
	Compressed bool
	// At is when.
	At time.Time
}

// MessageSent reports that a message was encoded and queued.
type MessageSent struct{ Message }

// MessageReceived reports that a message was decoded.
type MessageReceived struct{ Message }

func (*AttemptBegun) event()    {}
func (*Delayed) event()         {}
func (*AttemptSent) event()     {}
func (*AttemptEnded) event()    {}
func (*CallEnded) event()       {}
func (*HeaderReceived) event()  {}
func (*MessageSent) event()     {}
func (*MessageReceived) event() {}
