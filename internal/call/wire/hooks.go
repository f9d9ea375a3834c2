package wire

// MessageInfo is what is known of a message beside its contents.
type MessageInfo struct {
	Size       int  // bytes of its encoding
	WireSize   int  // bytes sent or received for it, with the prefix and after compression
	Compressed bool // on the wire
}

// A Meter is told of each message of a call, before the Hooks are. It runs on the goroutine that
// sends or receives.
type Meter interface {
	// MessageSent is called when a message has been encoded for the first time.
	MessageSent(info MessageInfo)
	// MessageReceived is called when a message has been decoded.
	MessageReceived(info MessageInfo)
}

// Hooks see the messages of one call. Each function may be nil; so may a *Hooks. They run on the
// goroutine that sends or receives.
type Hooks struct {
	// Receive is called with each message received, after decoding. It may change *m. Its error is
	// what receiving returns.
	Receive func(m any, info MessageInfo) error
	// Send is called with each message before encoding, and returns what is sent in its place. Its
	// error is what sending returns.
	Send func(m any) (any, error)
	// Sent is called when a message has been encoded.
	Sent func(info MessageInfo)
	// Reply is called with the only response of a server call as its handler returned it.
	Reply func(m any)
}

// Uncompressed marks a message to be sent as it is in a call that uses compression.
type Uncompressed struct{ Message any }
