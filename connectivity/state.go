package connectivity

// State is the state of a channel or of one of its connections
// (connectivity-semantics-and-api.md of gRPC).
type State uint8

// The states. A channel starts in Idle and ends in Shutdown.
const (
	// Idle: no connection, and none is being made. The next call starts one.
	Idle State = iota
	// Connecting: names are being resolved, or connections made. Calls wait.
	Connecting
	// Ready: calls can be sent.
	Ready
	// TransientFailure: the last attempts failed, another is made after a backoff. Calls
	// fail with UNAVAILABLE unless they wait for ready.
	TransientFailure
	// Shutdown: closed for good.
	Shutdown
)

var stateNames = [...]string{"IDLE", "CONNECTING", "READY", "TRANSIENT_FAILURE", "SHUTDOWN"}

// String returns the state's name as the gRPC documents spell it.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "INVALID_STATE"
}
