package peers

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/protobuf/proto"
)

// wireTimeout ends a script that waits for what does not come.
const wireTimeout = 20 * time.Second

// A wire is the far end of one HTTP/2 connection, played frame by frame with x/net's framer. Only
// one goroutine uses it at a time.
type wire struct {
	t    *testing.T
	conn net.Conn
	fr   *http2.Framer
	head bytes.Buffer
	enc  *hpack.Encoder
	// ended holds what was read of streams whose sender is done, until someone asks for it.
	ended []uint32
	open  map[uint32]*wireStream
	// Seen so far.
	resets  map[uint32]http2.ErrCode
	goAways []http2.GoAwayFrame
}

// A wireStream is what has been received on a stream.
type wireStream struct {
	header, trailer map[string]string
	data            []byte
}

// acceptWire plays a server on lis's next connection: it reads the preface and sends SETTINGS.
func acceptWire(t *testing.T, lis net.Listener) *wire {
	t.Helper()
	conn, err := lis.Accept()
	if err != nil {
		t.Fatalf("waiting for a connection: %v", err)
	}
	w := newWire(t, conn)
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(conn, preface); err != nil || string(preface) != http2.ClientPreface {
		t.Fatalf("client preface: got %q, %v", preface, err)
	}
	w.do(w.fr.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 1000}))
	return w
}

// dialWire plays a client against the server at addr.
func dialWire(t *testing.T, addr string) *wire {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	w := newWire(t, conn)
	_, err = io.WriteString(conn, http2.ClientPreface)
	w.do(err)
	w.do(w.fr.WriteSettings())
	return w
}

func newWire(t *testing.T, conn net.Conn) *wire {
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(wireTimeout))
	w := &wire{t: t, conn: conn, fr: http2.NewFramer(conn, conn), open: map[uint32]*wireStream{}, resets: map[uint32]http2.ErrCode{}}
	w.fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	w.enc = hpack.NewEncoder(&w.head)
	return w
}

func (w *wire) do(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("scripted peer: %v", err)
	}
}

// step reads one frame and does what every peer must: it acknowledges, answers, and gives credit.
// It returns the error of the connection if that is over.
func (w *wire) step() error {
	frame, err := w.fr.ReadFrame()
	if err != nil {
		return err
	}
	switch f := frame.(type) {
	case *http2.SettingsFrame:
		if !f.IsAck() {
			w.fr.WriteSettingsAck() // a peer that is gone is noticed by reading
		}
	case *http2.PingFrame:
		if !f.IsAck() {
			w.fr.WritePing(true, f.Data)
		}
	case *http2.GoAwayFrame:
		w.goAways = append(w.goAways, http2.GoAwayFrame{LastStreamID: f.LastStreamID, ErrCode: f.ErrCode})
	case *http2.RSTStreamFrame:
		w.resets[f.StreamID] = f.ErrCode
	case *http2.MetaHeadersFrame:
		w.header(f)
	case *http2.DataFrame:
		w.data(f)
	}
	return nil
}

func (w *wire) header(f *http2.MetaHeadersFrame) {
	fields := map[string]string{}
	for _, h := range f.Fields {
		fields[h.Name] = h.Value
	}
	if s := w.open[f.StreamID]; s == nil {
		w.open[f.StreamID] = &wireStream{header: fields}
	} else {
		s.trailer = fields
	}
	if f.StreamEnded() {
		w.ended = append(w.ended, f.StreamID)
	}
}

func (w *wire) data(f *http2.DataFrame) {
	if s := w.open[f.StreamID]; s != nil {
		s.data = append(s.data, f.Data()...)
	}
	if n := f.Length; n > 0 {
		w.fr.WriteWindowUpdate(0, n)
		if !f.StreamEnded() {
			w.fr.WriteWindowUpdate(f.StreamID, n)
		}
	}
	if f.StreamEnded() {
		w.ended = append(w.ended, f.StreamID)
	}
}

// awaitEnded returns n streams that the other side has sent everything on, in the order of their
// ends.
func (w *wire) awaitEnded(n int) []uint32 {
	w.t.Helper()
	for len(w.ended) < n {
		if err := w.step(); err != nil {
			w.t.Fatalf("%d of %d streams ended, then: %v", len(w.ended), n, err)
		}
	}
	ids := w.ended[:n:n]
	w.ended = w.ended[n:]
	return ids
}

// awaitResets reads until n streams were reset.
func (w *wire) awaitResets(n int) {
	w.t.Helper()
	for len(w.resets) < n {
		if err := w.step(); err != nil {
			w.t.Fatalf("%d of %d streams reset, then: %v", len(w.resets), n, err)
		}
	}
}

// awaitClose reads until the other side closes the connection.
func (w *wire) awaitClose() {
	w.t.Helper()
	for {
		switch err := w.step(); {
		case err == nil:
		case isTimeout(err):
			w.t.Fatalf("the connection is still open after %v", wireTimeout)
		default:
			return
		}
	}
}

func isTimeout(err error) bool {
	n, ok := err.(net.Error)
	return ok && n.Timeout()
}

// headers sends a header section of name-value pairs.
func (w *wire) headers(id uint32, end bool, pairs ...string) {
	w.t.Helper()
	w.head.Reset()
	for i := 0; i < len(pairs); i += 2 {
		w.do(w.enc.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]}))
	}
	w.do(w.fr.WriteHeaders(http2.HeadersFrameParam{
		StreamID: id, BlockFragment: w.head.Bytes(), EndHeaders: true, EndStream: end,
	}))
}

// request starts a unary gRPC call and sends all of it.
func (w *wire) request(id uint32, path string, m proto.Message) {
	w.t.Helper()
	w.headers(id, false, ":method", "POST", ":scheme", "http", ":path", path, ":authority", "localhost",
		"content-type", "application/grpc", "te", "trailers")
	w.do(w.fr.WriteData(id, true, framed(w.t, m)))
}

// reply answers a call with one message and OK.
func (w *wire) reply(id uint32, m proto.Message) {
	w.t.Helper()
	w.headers(id, false, ":status", "200", "content-type", "application/grpc")
	w.do(w.fr.WriteData(id, false, framed(w.t, m)))
	w.headers(id, true, "grpc-status", "0")
}

// framed returns m as gRPC puts it on the wire: flag, length, encoding.
func framed(t *testing.T, m proto.Message) []byte {
	t.Helper()
	b, err := proto.MarshalOptions{}.MarshalAppend(make([]byte, 5), m)
	if err != nil {
		t.Fatal(err)
	}
	binary.BigEndian.PutUint32(b[1:], uint32(len(b)-5))
	return b
}
