package doctor

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/naru-rpc/naru/internal/h2"
	"github.com/naru-rpc/naru/internal/h2/frame"
)

// wire is a connection on which frames are written and read one by one. Used by one goroutine.
type wire struct {
	conn     net.Conn
	in       *bufio.Reader
	settings []frame.Setting // the server's first
	goAway   *frame.GoAway   // when the server has sent one
}

// received is a frame that came in.
type received struct {
	frame.Header
	payload []byte
}

// notHTTP2 is the error of a connection whose other side speaks something else.
type notHTTP2 struct {
	status, server, via string // of an HTTP/1.1 answer
	date                string
	raw                 []byte // the first bytes of anything else
}

func (n *notHTTP2) Error() string {
	if n.status != "" {
		return "it answers in HTTP/1.1: " + n.status
	}
	return fmt.Sprintf("it answers with something else: %q", n.raw)
}

// maxFrame is the largest frame taken: what HTTP/2 starts with.
const maxFrame = frame.MinMaxFrameSize

// open starts HTTP/2 on a new connection and waits for the server's SETTINGS.
func (e *examination) open(ctx context.Context) (*wire, error) {
	conn, err := e.dial(ctx)
	if err != nil {
		return nil, err
	}
	w := &wire{conn: conn, in: bufio.NewReaderSize(conn, maxFrame+frame.HeaderLen)}
	if err := w.start(time.Now().Add(e.config.endpoint.ConnectTimeout)); err != nil {
		conn.Close()
		return nil, err
	}
	return w, nil
}

func (w *wire) start(deadline time.Time) error {
	hello := frame.AppendSettings([]byte(h2.Preface), false)
	if err := w.write(hello, deadline); err != nil {
		return err
	}
	_ = w.conn.SetReadDeadline(deadline)
	first, err := w.in.Peek(frame.HeaderLen)
	if err != nil && len(first) == 0 {
		return err
	}
	if bytes.HasPrefix(first, []byte("HTTP/")) {
		return w.http1()
	}
	if len(first) < frame.HeaderLen || frame.ParseHeader(first).Type != frame.TypeSettings || frame.ParseHeader(first).StreamID != 0 {
		if len(first) == frame.HeaderLen && frame.ParseHeader(first).Type == frame.TypeGoAway {
			_, err := w.next(deadline)
			return err
		}
		return &notHTTP2{raw: first}
	}
	f, err := w.next(deadline)
	if err != nil {
		return err
	}
	list := frame.Settings(f.payload)
	for i := range list.Len() {
		w.settings = append(w.settings, list.At(i))
	}
	return w.write(frame.AppendSettings(nil, true), deadline)
}

// http1 reads the head of an HTTP/1.1 answer.
func (w *wire) http1() error {
	res, err := http.ReadResponse(bufio.NewReader(io.LimitReader(w.in, 64<<10)), nil)
	if err != nil {
		return &notHTTP2{status: "HTTP/1.1, malformed"}
	}
	defer res.Body.Close()
	return &notHTTP2{status: res.Proto + " " + res.Status, server: res.Header.Get("Server"), via: res.Header.Get("Via"), date: res.Header.Get("Date")}
}

func (w *wire) write(p []byte, deadline time.Time) error {
	_ = w.conn.SetWriteDeadline(deadline)
	_, err := w.conn.Write(p)
	return err
}

var errGoAway = errors.New("the server sent GOAWAY")

// next reads a frame. A GOAWAY is kept and returned with errGoAway.
func (w *wire) next(deadline time.Time) (received, error) {
	_ = w.conn.SetReadDeadline(deadline)
	head := make([]byte, frame.HeaderLen)
	if _, err := io.ReadFull(w.in, head); err != nil {
		return received{}, err
	}
	f := received{Header: frame.ParseHeader(head)}
	if err := f.Check(maxFrame); err != nil {
		return f, err
	}
	f.payload = make([]byte, f.Length)
	if _, err := io.ReadFull(w.in, f.payload); err != nil {
		return f, err
	}
	if f.Type == frame.TypeGoAway {
		g := frame.ParseGoAway(f.payload)
		w.goAway = &g
		return f, errGoAway
	}
	return f, nil
}

// ping sends a PING and waits for its answer, answering what the server wants answered meanwhile.
func (w *wire) ping(n byte, deadline time.Time) error {
	if err := w.write(frame.AppendPing(nil, false, [8]byte{0: 'd', 7: n}), deadline); err != nil {
		return w.ended(err, deadline)
	}
	for {
		f, err := w.next(deadline)
		if err != nil {
			return err
		}
		switch {
		case f.Type == frame.TypePing && f.Flags.Has(frame.FlagAck):
			return nil
		case f.Type == frame.TypePing:
			err = w.write(frame.AppendPing(nil, true, frame.ParsePing(f.payload)), deadline)
		case f.Type == frame.TypeSettings && !f.Flags.Has(frame.FlagAck):
			err = w.write(frame.AppendSettings(nil, true), deadline)
		}
		if err != nil {
			return w.ended(err, deadline)
		}
	}
}

// ended returns the GOAWAY that a failed write left unread, or else the write's error.
func (w *wire) ended(writeErr error, deadline time.Time) error {
	for {
		if _, err := w.next(deadline); errors.Is(err, errGoAway) {
			return err
		} else if err != nil {
			return writeErr
		}
	}
}
