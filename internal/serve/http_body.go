package serve

import (
	"io"
	"net/http"
	"sync"

	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/internal/transport"
)

// httpBody is a request body. Bytes wait in it until they are read; the peer is given no window for
// more than that.
type httpBody struct {
	stream transport.ServerStream

	// guarded by mu
	mu    sync.Mutex
	more  sync.Cond // on mu
	bufs  []*mem.Buf
	off   int // read of bufs[0]
	end   bool
	done  bool  // it is not read any more
	err   error // why it broke off
	extra http.Header
	req   *http.Request
}

func (b *httpBody) init(stream transport.ServerStream, end bool) {
	b.stream, b.end = stream, end
	b.more.L = &b.mu
}

func (b *httpBody) add(p []byte, end bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.end = b.end || end
	if b.done {
		b.stream.Consumed(len(p))
	} else if len(p) > 0 {
		if n := len(b.bufs); n > 0 && cap(b.bufs[n-1].B)-len(b.bufs[n-1].B) >= len(p) {
			b.bufs[n-1].B = append(b.bufs[n-1].B, p...)
		} else {
			buf := mem.Get(max(len(p), 4<<10))
			buf.B = append(buf.B, p...)
			b.bufs = append(b.bufs, buf)
		}
	}
	b.more.Signal()
}

// trailer ends the body; the handler finds the fields in req.Trailer after io.EOF.
func (b *httpBody) trailer(req *http.Request, h http.Header) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.end, b.extra, b.req = true, h, req
	b.more.Signal()
}

func (b *httpBody) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
	b.more.Signal()
}

// Read implements io.Reader.
func (b *httpBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.bufs) == 0 {
		switch {
		case b.done:
			return 0, http.ErrBodyReadAfterClose
		case b.err != nil:
			return 0, b.err
		case b.end:
			if b.req != nil {
				b.req.Trailer, b.req = b.extra, nil
			}
			return 0, io.EOF
		}
		if len(p) == 0 {
			return 0, nil
		}
		b.more.Wait()
	}
	n := copy(p, b.bufs[0].B[b.off:])
	if b.off += n; b.off == len(b.bufs[0].B) {
		b.bufs[0].Free()
		b.bufs, b.off = b.bufs[1:], 0
	}
	b.stream.Consumed(n)
	return n, nil
}

// Close implements io.Closer.
func (b *httpBody) Close() error {
	b.finish()
	return nil
}

// finish returns the receive credit of what was not read.
func (b *httpBody) finish() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done = true
	left := -b.off
	for _, buf := range b.bufs {
		left += len(buf.B)
		buf.Free()
	}
	b.bufs, b.off = nil, 0
	if left > 0 {
		b.stream.Consumed(left)
	}
	b.more.Broadcast()
}
