package replay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// conn is a connection. A call ends before its place is taken by the next, so that few bytes are
// ever kept.
type conn struct {
	fd   int
	next uint32 // stream number
	rest []byte // beginning of a frame whose end has not come
}

type run struct {
	cfg    Config
	script *script
	addr   *net.TCPAddr
	epoll  int
	conns  []conn
	in     []byte
	out    []byte
	seen   seen
}

// Run makes the calls of cfg, and returns an error if a connection or a call fails.
func Run(ctx context.Context, cfg Config) (*Result, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	s, err := newScript(&cfg)
	if err != nil {
		return nil, err
	}
	r := &run{cfg: cfg, script: s, in: make([]byte, 64<<10)}
	if r.addr, err = net.ResolveTCPAddr("tcp", cfg.Addr); err != nil {
		return nil, err
	}
	if r.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	defer unix.Close(r.epoll)
	defer func() {
		for _, c := range r.conns {
			unix.Close(c.fd)
		}
	}()
	for i := range cfg.Conns {
		if err := r.connect(); err != nil {
			return nil, fmt.Errorf("connection %d: %w", i+1, err)
		}
		// What has come meanwhile: an answer to each ping is due in time.
		if err := r.until(ctx, time.Time{}); err != nil {
			return nil, err
		}
	}
	if err := r.until(ctx, time.Now().Add(cfg.Warmup)); err != nil {
		return nil, err
	}
	before, began, busy := r.seen, time.Now(), processorTime()
	if err := r.until(ctx, began.Add(cfg.Duration)); err != nil {
		return nil, err
	}
	seconds := time.Since(began).Seconds()
	busy = processorTime() - busy
	if r.seen.messages < r.seen.ended {
		return nil, fmt.Errorf("of %d calls at least %d failed: no message came back", r.seen.ended, r.seen.ended-r.seen.messages)
	}
	calls := uint64(r.seen.ended - before.ended)
	return &Result{Conns: cfg.Conns, Streams: cfg.Streams, Seconds: seconds, Calls: calls,
		CallsPerSecond: float64(calls) / seconds, Busy: busy.Seconds() / seconds}, nil
}

func (r *run) connect() error {
	family, addr := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Port: r.addr.Port, Addr: [16]byte(r.addr.IP.To16())})
	if ip := r.addr.IP.To4(); ip != nil {
		family, addr = unix.AF_INET, &unix.SockaddrInet4{Port: r.addr.Port, Addr: [4]byte(ip)}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	r.conns = append(r.conns, conn{fd: fd, next: 1})
	if err := unix.Connect(fd, addr); err != nil {
		return os.NewSyscallError("connect", err)
	}
	if err := errors.Join(unix.SetNonblock(fd, true), unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)); err != nil {
		return err
	}
	i := len(r.conns) - 1
	err = unix.EpollCtl(r.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)})
	if err != nil {
		return os.NewSyscallError("epoll_ctl", err)
	}
	r.out = append(r.out[:0], r.script.hello...)
	return r.send(&r.conns[i], r.cfg.Streams)
}

// send sends what is in r.out and so many calls.
func (r *run) send(c *conn, calls int) error {
	for range calls {
		r.out = r.script.appendCall(r.out, c.next)
		c.next += 2
	}
	if len(r.out) == 0 {
		return nil
	}
	for {
		n, err := unix.Write(c.fd, r.out)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return os.NewSyscallError("write", err)
		case n < len(r.out):
			return errors.New("write: the socket's buffer is full, with all that was sent unanswered")
		default:
			return nil
		}
	}
}

// until serves the connections until end; those that are ready, in any case.
func (r *run) until(ctx context.Context, end time.Time) error {
	events := make([]unix.EpollEvent, 256)
	for {
		left := time.Until(end)
		n, err := unix.EpollWait(r.epoll, events, int(max(0, min(left, 100*time.Millisecond)).Milliseconds()))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return os.NewSyscallError("epoll_wait", err)
		}
		for _, e := range events[:n] {
			if err := r.ready(&r.conns[e.Fd]); err != nil {
				return fmt.Errorf("connection %d: %w", e.Fd+1, err)
			}
		}
		if left <= 0 {
			return ctx.Err()
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// ready reads what has come, and makes a call for each that has ended.
func (r *run) ready(c *conn) error {
	kept := copy(r.in, c.rest)
	n, err := unix.Read(c.fd, r.in[kept:])
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		return nil
	case err != nil:
		return os.NewSyscallError("read", err)
	case n == 0:
		return errors.New("the server has closed it")
	}
	ended := r.seen.ended
	rest, out, err := r.seen.read(r.in[:kept+n], r.out[:0])
	r.out = out
	if err != nil {
		return err
	}
	c.rest = append(c.rest[:0], rest...)
	return r.send(c, r.seen.ended-ended)
}

func processorTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
