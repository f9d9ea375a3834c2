package policy

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/auth"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/status"
)

const (
	lookInterval = 500 * time.Millisecond
	settleTime   = time.Second
)

// Config configures New and Open. The zero value is usable.
type Config struct {
	// DryRun serves all calls, so that a new policy can be tried: Report and Logger still hear what
	// would have been refused.
	DryRun bool
	// Report, if not nil, is told about each decision, before it takes effect. It must be safe for
	// concurrent use and not block.
	Report func(Decision)
	// Logger gets a warning when a changed file is not understood, a line when a new one is used,
	// and with DryRun a line for each call that would have been refused, at most one a second; nil
	// means none.
	Logger *slog.Logger
}

// Rules is a policy in use. It is safe for concurrent use.
type Rules struct {
	config Config
	path   string // "": made by New
	policy atomic.Pointer[compiled]
	looked atomic.Int64 // Unix nanoseconds of the last look at the file
	logged atomic.Int64 // Unix nanoseconds of the last line of a dry run

	// guarded by mu
	mu      sync.Mutex
	size    int64
	modTime time.Time
	problem string // logged last
}

// New returns the rules of a policy made in code. It is an error if the policy is not understood.
// The policy must not be changed afterwards.
func New(p *Policy, config Config) (*Rules, error) {
	c, err := p.compile()
	if err != nil {
		return nil, err
	}
	r := &Rules{config: config}
	r.policy.Store(c)
	return r, nil
}

// Open returns the rules of a policy in a file, in gRFC A43's JSON. The file is looked at with
// calls, at most twice a second, and used within two seconds of a change. One that is not
// understood leaves the rules before in use and is logged: a mistake in it neither opens the server
// nor closes it. It is an error if the file is not understood now.
func Open(path string, config Config) (*Rules, error) {
	r := &Rules{config: config, path: path}
	if err := r.read(); err != nil {
		return nil, err
	}
	r.looked.Store(time.Now().UnixNano())
	return r, nil
}

// Enforce returns an authenticator, for naru.WithAuthenticator, that serves only calls that the
// rules allow. It runs before anything of a message is decoded. authenticate finds out who calls:
// see auth.Require and auth.Optional; its context holds the caller, its errors end the call. If it
// is nil, nobody is verified.
//
// A refused call ends with PERMISSION_DENIED if its caller is known, and with UNAUTHENTICATED if
// not, and does not say which rule decided.
func (r *Rules) Enforce(authenticate func(ctx context.Context, call *naru.Call) (context.Context, error)) func(context.Context, *naru.Call) (context.Context, error) {
	return func(ctx context.Context, call *naru.Call) (context.Context, error) {
		if authenticate != nil {
			var err error
			if ctx, err = authenticate(ctx, call); err != nil {
				return nil, err
			}
		}
		caller, _ := auth.CallerFrom(ctx)
		in := Input{Method: call.Method().FullMethod, Caller: caller, Addr: call.Peer().Addr, Header: headersOf(ctx)}
		if err := r.enforce(&in); err != nil {
			return nil, err
		}
		return ctx, nil
	}
}

func (r *Rules) enforce(in *Input) error {
	d := r.current().decide(in)
	d.DryRun = r.config.DryRun
	if r.config.Report != nil {
		r.config.Report(d)
	}
	switch {
	case d.Allowed:
		return nil
	case d.DryRun:
		r.logDry(&d)
		return nil
	case d.Caller == nil:
		return status.Error(codes.Unauthenticated, "the call has no verified caller, and the server's policy does not allow it for everybody")
	}
	return status.Error(codes.PermissionDenied, "the server's policy does not allow this caller to call this method")
}

// Allowed reports whether the caller of ctx, a call's context in a handler or interceptor, might
// call method: for services that list others, such as reflection. Nothing is reported. Rules about
// headers are held against the headers of this call.
func (r *Rules) Allowed(ctx context.Context, method string) bool {
	caller, _ := auth.CallerFrom(ctx)
	in := Input{Method: method, Caller: caller, Header: headersOf(ctx)}
	if p, ok := naru.PeerFromContext(ctx); ok {
		in.Addr = p.Addr
	}
	return r.config.DryRun || r.current().decide(&in).Allowed
}

// logDry logs a call that would have been refused.
func (r *Rules) logDry(d *Decision) {
	now := time.Now().UnixNano()
	last := r.logged.Load()
	if r.config.Logger == nil || last != 0 && now-last < int64(time.Second) || !r.logged.CompareAndSwap(last, now) {
		return
	}
	r.config.Logger.Info("policy in dry run: the call would have been refused",
		"policy", d.Policy, "rule", d.Rule, "method", d.Method, "caller", d.Caller.String())
}

// current returns the policy in use, after a look at its file if it is time for one.
func (r *Rules) current() *compiled {
	if r.path != "" {
		now := time.Now().UnixNano()
		if last := r.looked.Load(); now-last >= int64(lookInterval) && r.looked.CompareAndSwap(last, now) {
			r.look()
		}
	}
	return r.policy.Load()
}

// look reads the file again if it has changed.
func (r *Rules) look() {
	r.mu.Lock()
	defer r.mu.Unlock()
	info, err := os.Stat(r.path)
	if err == nil && (info.Size() == r.size && info.ModTime().Equal(r.modTime) || time.Since(info.ModTime()).Abs() < settleTime) {
		return // as before, or perhaps half written
	}
	if err == nil {
		err = r.read()
	}
	text := ""
	if err != nil {
		text = err.Error()
	}
	switch logger := r.config.Logger; {
	case logger == nil:
	case err == nil:
		logger.Info("a changed policy is in use", "file", r.path, "policy", r.policy.Load().policy.Name)
	case text != r.problem:
		logger.Warn("a changed policy cannot be used; the one before stays in use", "file", r.path, "error", text)
	}
	r.problem = text
}

func (r *Rules) read() error {
	info, err := os.Stat(r.path)
	if err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	text, err := os.ReadFile(r.path)
	if err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	p, err := Parse(text)
	if err != nil {
		return fmt.Errorf("%s: %w", r.path, err)
	}
	c, err := p.compile()
	if err != nil {
		return fmt.Errorf("%s: %w", r.path, err)
	}
	r.size, r.modTime = info.Size(), info.ModTime()
	r.policy.Store(c)
	return nil
}
