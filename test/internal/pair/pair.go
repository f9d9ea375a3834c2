package pair

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/credentials/devcert"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Message is what all methods take and return.
type Message = wrapperspb.StringValue

// A Kind says who sends how many messages.
type Kind int

// The four kinds. Each is a method of the service.
const (
	Unary Kind = iota
	Server
	Client
	Bidi
)

// Kinds are all of them.
var Kinds = []Kind{Unary, Server, Client, Bidi}

// String returns the name that tables use.
func (k Kind) String() string { return [...]string{"unary", "server", "client", "bidi"}[k] }

// ManyRequests and ManyResponses report whether the client, and the server, may send more than one
// message.
func (k Kind) ManyRequests() bool  { return k == Client || k == Bidi }
func (k Kind) ManyResponses() bool { return k == Server || k == Bidi }

const service = "naru.test.Pair"

// Path is the path of the kind's method.
func (k Kind) Path() string { return "/" + service + "/" + k.method() }

func (k Kind) method() string { return [...]string{"Unary", "Server", "Client", "Bidi"}[k] }

// Authority is what every client calls the server, whatever its address.
const Authority = "pair.test"

// Limits are those of one end. Zero is the stack's own default.
type Limits struct {
	HeaderList, Receive, Send int
	Streams                   int // concurrent, of a server
}

// A ServerCall is the server's side of a call of any kind.
type ServerCall interface {
	Context() context.Context
	Recv() (string, error)
	Send(string) error
	// Metadata returns the last value of name in the request's metadata, or "".
	Metadata(name string) string
	SetHeader(kv ...string) error
	SetTrailer(kv ...string) error
}

// A Handler serves calls of every kind. A *Failure is returned to the client as the status it
// describes.
type Handler func(ServerCall) error

// A Failure is a status that a handler returns, with one detail of DetailBytes bytes unless that is
// 0.
type Failure struct {
	Code        codes.Code
	Message     string
	DetailBytes int
}

// Error implements error.
func (f *Failure) Error() string { return fmt.Sprintf("%v: %s", f.Code, f.Message) }

// detail is the detail of n bytes that a Failure carries.
func detail(n int) *wrapperspb.StringValue { return wrapperspb.String(strings.Repeat("d", n)) }

// A Request describes a call.
type Request struct {
	Kind     Kind
	Metadata []string // names and values in turn
	Messages []string // exactly one unless the kind has more
	// Sent, if not nil, is told after each message, before the next and before the end of the
	// requests, of kinds that have more than one.
	Sent func(n int)
	// Received, if not nil, is told of each response.
	Received func(string)
	// Options are the stack's own: naru.CallOption or grpc.CallOption.
	Options []any
}

// A Response is how a call ended.
type Response struct {
	Code            codes.Code // OK only if the call ended with OK
	Message         string     // of the status
	DetailBytes     int        // of the one detail a Failure has, 0 if there is none
	Header, Trailer map[string][]string
	Messages        []string
}

// A ClientConn calls a server.
type ClientConn interface {
	// Do makes a call and returns when it has ended and holds nothing any more.
	Do(context.Context, Request) Response
	Close() error
}

// A Running is a server that serves.
type Running struct {
	Addr string
	// OpenCalls counts calls that have not ended as the server itself counts them, -1: it does not.
	OpenCalls func() int
	// Stop ends the server when its calls have ended, or after the time with an error.
	Stop func(within time.Duration) error

	local any // *naru.Server, for in-process clients
}

// A ServerConfig describes a server.
type ServerConfig struct {
	Listener net.Listener
	TLS      *tls.Config // nil: plaintext
	Limits   Limits
	Handler  Handler
	Options  []any // the stack's own: naru.ServerOption or grpc.ServerOption
}

// A ClientConfig describes a client.
type ClientConfig struct {
	Server *Running
	TLS    *tls.Config // nil: plaintext
	Limits Limits
	// Dial connects to the server; nil: the stack's own way.
	Dial    func(ctx context.Context, network, addr string) (net.Conn, error)
	Options []any // the stack's own: naru.ClientOption or grpc.DialOption
}

// A Stack is an implementation of gRPC.
type Stack struct {
	Name  string
	Serve func(ServerConfig) (*Running, error)
	Dial  func(ClientConfig) (ClientConn, error)
	// HeaderList and Receive are the limits by default, in bytes.
	HeaderList, Receive int
	// Fields is the most header fields taken, 0: no limit of its own.
	Fields int
}

// Stacks are naru and grpc-go.
var Stacks = []Stack{Naru, GRPCGo}

// Certificates returns configurations of a server for [Authority] and of a client that trusts it.
func Certificates() (server, client *tls.Config, err error) {
	ca, err := devcert.NewAuthority("pair", time.Hour)
	if err != nil {
		return nil, nil, err
	}
	cert, err := ca.Issue(devcert.Request{Hosts: []string{Authority, "localhost", "127.0.0.1"}})
	if err != nil {
		return nil, nil, err
	}
	client = ca.ClientConfig()
	client.ServerName = Authority
	return cert.ServerConfig(), client, nil
}

// options picks from list what is of type T; anything else is the other stack's.
func options[T any](list []any) (own []T) {
	for _, o := range list {
		if t, ok := o.(T); ok {
			own = append(own, t)
		}
	}
	return own
}
