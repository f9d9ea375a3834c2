package balancer

import (
	"time"

	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/resolver"
	"github.com/naru-rpc/naru/serviceconfig"
)

// Policy is the configuration of a balancing policy, and the way to make one. Immutable.
type Policy interface {
	serviceconfig.Policy
	// New returns a balancer that works for host. It receives its endpoints, and this policy, in
	// the first call of Update.
	New(host Host) Balancer
}

// Sticky is a Policy that may be content with the connection it has, so that new endpoints are of
// no interest to it while that works.
type Sticky interface {
	Policy
	// Sticky tells whether this one is.
	Sticky() bool
}

// Validator is a Policy that can tell what is wrong with it. NewClient asks those it is given.
type Validator interface {
	Policy
	// Validate names what makes no sense.
	Validate() error
}

// Update is the input of a balancer.
type Update struct {
	// Endpoints to choose from. Kept by the balancer, not changed.
	Endpoints []resolver.Endpoint
	// Attributes of the target.
	Attributes resolver.Attributes
	// Policy is the configuration now in force. Its type is the one of the Policy that made the
	// balancer: the channel replaces the balancer when the name changes.
	Policy Policy
}

// Balancer keeps connections to endpoints and publishes pickers. See the package comment for who
// calls it when.
type Balancer interface {
	// Update brings the endpoints and the configuration. An error means that they cannot be used,
	// which a polling resolver answers by asking again soon; the balancer goes on with what it
	// makes of them (no endpoints: calls fail).
	Update(Update) error
	// Fail says that the endpoints could not be found out. A balancer that has some keeps working
	// with them; one that has none publishes a picker that fails with err.
	Fail(err error)
	// ExitIdle asks for a connection where the policy has none because nobody needed one.
	ExitIdle()
	// Close ends all connections and timers. Nothing is called afterwards.
	Close()
}

// Host is what a channel offers to a balancer, and a balancer to its children.
type Host interface {
	// NewSubConn makes a connection to one address, idle at first. The functions in opts are called
	// with every change until Shutdown.
	NewSubConn(addr resolver.Address, opts SubConnOptions) SubConn
	// Publish replaces state and picker.
	Publish(State)
	// Refresh asks the resolver for fresh names, soon.
	Refresh()
	// Target is what the client was made for, as the user wrote it.
	Target() string
	// Authority is the default :authority of calls.
	Authority() string
	// Later runs f in turn with the balancer's other events, soon. Unlike the other methods it may
	// be called by anyone at any time: it is how a picker asks for something to be done.
	Later(f func())
	Clock
}

// Clock is time and chance.
type Clock interface {
	// Now is the present time.
	Now() time.Time
	// AfterFunc calls f once, d from now, in turn with the balancer's other events. The returned
	// function cancels it: after it returned, f is not called any more.
	AfterFunc(d time.Duration, f func()) (stop func())
	// Uint64 returns a random number. Safe for concurrent use: pickers may keep the Clock for it.
	Uint64() uint64
}

// State is what a balancer publishes.
type State struct {
	// State of the policy as a whole; it becomes the channel's.
	State connectivity.State
	// Picker chooses for the calls from now on. Not nil.
	Picker Picker
}

// SubConnOptions say what the owner of a SubConn wants to hear.
type SubConnOptions struct {
	// OnState is called with every change of the connection's state. Required.
	OnState func(SubConnState)
	// OnHealth is called with what health reporting makes of the connection while it is ready:
	// client-side health checking (gRFC A17) and outlier detection (gRFC A50). It follows each
	// READY of OnState: at once with READY if nothing reports, else with CONNECTING until there is
	// a report. nil: health is not looked at. gRFC A61, "Generic Health Reporting Mechanism".
	OnHealth func(SubConnState)
}

// SubConnState is a connection's state.
type SubConnState struct {
	// State is the new one.
	State connectivity.State
	// Err tells why, in TransientFailure: usually a *connectivity.Failure.
	Err error
}

// SubConn is a connection to one address, or several to the same if the peer's limit of concurrent
// streams asks for them. It backs off by itself: TransientFailure turns to Idle when the time has
// come for the next attempt.
type SubConn interface {
	// Connect starts an attempt if the state is Idle and does nothing otherwise.
	Connect()
	// Shutdown ends it: calls under way may finish, no new ones start, no function of the options
	// is called any more.
	Shutdown()
	// WatchLoad asks for load reports out of band (gRFC A51), about every interval, while there is
	// a connection, and replaces what was asked for before. f is called in turn with the balancer's
	// other events. nil: no more.
	WatchLoad(interval time.Duration, f func(*LoadReport))
	// Address is where it leads.
	Address() resolver.Address
}

// Unwrapper is a SubConn around another. The channel unwraps what a pick returns.
type Unwrapper interface {
	SubConn
	// Unwrap returns the SubConn inside.
	Unwrap() SubConn
}
