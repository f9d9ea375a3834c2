package naru

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/call/observe"
	"github.com/naru-rpc/naru/internal/call/server"
	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/internal/handler"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/serve"
	"github.com/naru-rpc/naru/internal/transport/http2"
	"github.com/naru-rpc/naru/internal/webcall"
	"github.com/naru-rpc/naru/limits"
	"github.com/naru-rpc/naru/stats"
	"github.com/naru-rpc/naru/status"
	"github.com/naru-rpc/naru/web"
)

// start builds what serves, once, from everything registered.
func (s *Server) start() (*serve.Server, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.core != nil || s.coreErr != nil {
		return s.core, s.coreErr
	}
	cfg := s.serveConfig()
	s.methods(cfg)
	if o := s.cfg.web; o != nil {
		cfg.Web = s.web(*o)
	}
	if err := errors.Join(s.errs...); err != nil {
		s.coreErr = err
		return nil, err
	}
	s.core = serve.New(cfg)
	return s.core, nil
}

func (s *Server) serveConfig() *serve.Config {
	c := s.cfg
	keep := c.keepalive.withDefaults(defaultServerKeepalive)
	cfg := &serve.Config{
		Env: &server.Env{
			Registry:         c.registry,
			MaxReceiveBytes:  receiveBytes(c.bounds),
			MaxSendBytes:     sendBytes(c.bounds),
			Compression:      c.compression,
			CompressMinBytes: c.compressMin,
			Base:             c.base,
			Logger:           c.logger,
			Notices:          c.notices,
			ErrorText:        c.errorText,
			Observe:          observe.NewSet(c.stats, stats.Server, ""),
			Expansion:        wire.Expansion{Most: mostExpanded(c.limits.ServerMemory)},
		},
		HTTP: c.http,
		HTTP2: http2.ServerConfig{
			Limits:      c.limits,
			Keepalive:   http2.Keepalive{Interval: keep.Interval, Timeout: keep.Timeout, WithoutStreams: true},
			TLS:         serverTLS(c.tls.config, c.http != nil || c.web != nil),
			MaxAge:      max(0, keep.MaxConnectionAge),
			MaxAgeGrace: max(0, keep.MaxConnectionAgeGrace),
			MaxIdle:     max(0, keep.MaxConnectionIdle),
		},
		Logger:      c.logger,
		MaxHandlers: limits.DefaultMaxConcurrentStreams,
		MaxRunning:  bound(c.bounds.Handlers),
		MaxConns:    bound(c.bounds.MaxConnections), MaxConnsPerAddress: bound(c.bounds.MaxConnectionsPerAddress),
		Methods:  make(map[string]*server.Method),
		Services: make(map[string]bool),
	}
	if n := c.limits.Streams; n > 0 {
		cfg.MaxHandlers = int(n)
	}
	if c.authenticate != nil || c.authScopes != nil {
		cfg.Env.Authenticate = func(sc *server.Call) (context.Context, error) {
			auth := c.authenticatorOf(sc.FullMethod())
			if auth == nil {
				return sc.Context(), nil
			}
			ctx, err := auth(sc.Context(), s.callOf(sc))
			return ctx, s.authError(sc, err)
		}
	}
	if h := c.handlePanic; h != nil {
		cfg.Env.HandlePanic = func(sc *server.Call, value any, stack []byte) {
			h(sc.Context(), s.callOf(sc), value, stack)
		}
	}
	return cfg
}

// authError keeps a status an authenticator chose on purpose; the text of another error is for the
// log alone: it may say too much to somebody who is not known.
func (s *Server) authError(sc *server.Call, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := status.FromError(err); ok {
		return err
	}
	sc.Log(slog.LevelWarn, reason.Authentication, "naru: authentication failed", "error", err)
	return status.New(codes.Unauthenticated, "authentication failed").WithCause(err).Err()
}

// callOf makes a Call for those who see one outside of the interceptors.
func (s *Server) callOf(sc *server.Call) *Call {
	return newCall(s.infoOf(sc), stats.Server, sc)
}

// infoOf finds the description of a call's method; one of its own for methods nobody registered.
func (s *Server) infoOf(sc *server.Call) *MethodInfo {
	for _, d := range s.services {
		for i := range d.Methods {
			if m := d.Methods[i].Info; m.FullMethod == sc.FullMethod() {
				return m
			}
		}
	}
	return &MethodInfo{FullMethod: sc.FullMethod(), Kind: KindBidi}
}

// web describes the methods to those who speak the web's protocols.
func (s *Server) web(o web.Options) *webcall.Handler {
	methods := make(map[string]webcall.Method)
	for _, d := range s.services {
		for i := range d.Methods {
			m := d.Methods[i].Info
			methods[m.FullMethod] = webcall.Method{
				ClientStreams: m.Kind.ClientStreams(), ServerStreams: m.Kind.ServerStreams(),
				NoSideEffects: m.Idempotency == NoSideEffects,
				Limit:         s.cfg.limitsFor(m.FullMethod).MaxReceiveMessageSize,
			}
		}
	}
	var codecs []string
	for _, c := range s.cfg.codecs {
		if c.Name() != "raw" {
			codecs = append(codecs, c.Name())
		}
	}
	return webcall.New(o, methods, codecs, receiveBytes(s.cfg.bounds), s.cfg.http != nil)
}

// methods fills the table of methods and collects mistakes of registration.
func (s *Server) methods(cfg *serve.Config) {
	for _, d := range s.services {
		if d.Name == "" || strings.ContainsRune(d.Name, '/') {
			s.errs = append(s.errs, fmt.Errorf("naru: register service %q: not a service name", d.Name))
		}
		if cfg.Services[d.Name] {
			s.errs = append(s.errs, fmt.Errorf("naru: register service %s: registered twice", d.Name))
			continue
		}
		cfg.Services[d.Name] = true
		for i := range d.Methods {
			m := &d.Methods[i]
			if err := checkMethod(d, m, cfg.Methods); err != nil {
				s.errs = append(s.errs, err)
				continue
			}
			cfg.Methods[m.Info.FullMethod] = s.serverMethod(m)
		}
	}
	if h := s.cfg.unknown; h != nil {
		cfg.Unknown = s.serverMethod(&MethodDesc{Info: &MethodInfo{Kind: KindBidi}, Handler: handler.Handler{
			Serve: func(_ context.Context, c *server.Call, _ any) error { return h(c.FullMethod(), c) },
		}})
	}
}

func checkMethod(d *ServiceDesc, m *MethodDesc, table map[string]*server.Method) error {
	switch {
	case m.Info == nil || m.Handler.Serve == nil:
		return fmt.Errorf("naru: register service %s: a method has no description or no handler", d.Name)
	case m.Info.Service() != d.Name || !strings.HasPrefix(m.Info.FullMethod, "/") || m.Info.Name() == "":
		return fmt.Errorf("naru: register service %s: method path %q does not belong to it", d.Name, m.Info.FullMethod)
	case table[m.Info.FullMethod] != nil:
		return fmt.Errorf("naru: register service %s: method %s registered twice", d.Name, m.Info.Name())
	}
	return nil
}

var errNextTwice = status.Error(codes.Internal, "an interceptor called next more than once on a server")

// serverMethod puts the interceptors around a handler. Without any, there is nothing between.
func (s *Server) serverMethod(d *MethodDesc) *server.Method {
	info, serve := d.Info, d.Handler.Serve
	l := s.cfg.limitsFor(info.FullMethod)
	m := &server.Method{
		FullMethod:      info.FullMethod,
		ClientStreams:   info.Kind.ClientStreams(),
		ServerStreams:   info.Kind.ServerStreams(),
		MaxReceiveBytes: l.MaxReceiveMessageSize,
		MaxSendBytes:    l.MaxSendMessageSize,
		Handle:          func(c *server.Call) error { return serve(c.Context(), c, nil) },
	}
	chain := chainFor(s.cfg.interceptors, info)
	if len(chain) == 0 {
		return m
	}
	m.Handle = func(sc *server.Call) error {
		method := info
		if method.FullMethod == "" {
			method = &MethodInfo{FullMethod: sc.FullMethod(), Kind: KindBidi}
		}
		c := newCall(method, stats.Server, sc)
		c.newRequest = d.Handler.NewRequest
		sc.SetHooks(&c.hooks)
		err := runChain(sc.Context(), chain, c, func(ctx context.Context) error {
			req, err := c.beginHandler()
			if err != nil {
				return err
			}
			sc.SetContext(ctx)
			return serve(ctx, sc, req)
		})
		if err != nil {
			return err
		}
		return c.finishResponse()
	}
	return m
}

// mostExpanded is how many bytes of expanded messages a server may hold that are not decoded yet:
// no more than it may hold of others.
func mostExpanded(serverMemory int64) int64 {
	if serverMemory <= 0 { // the default is no less
		return wire.MostExpanded
	}
	return min(serverMemory, wire.MostExpanded)
}
