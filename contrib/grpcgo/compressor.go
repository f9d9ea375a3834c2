package grpcgo

import (
	"bytes"
	"context"
	"io"
	"net"
	"sync"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/encoding"
	"github.com/naru-rpc/naru/stub"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	grpcenc "google.golang.org/grpc/encoding"
)

// compressors returns those registered with grpc-go, naru's own for gzip and zstd. Both are always
// there: with them, clients of naru and of grpc-go have one in common.
func compressors() []encoding.Compressor {
	list := []encoding.Compressor{encoding.Gzip(), encoding.Zstd()}
	for _, name := range registeredCompressors() {
		c := grpcenc.GetCompressor(name)
		if c == nil || name == "gzip" {
			continue
		}
		if name == "zstd" {
			list[1] = grpcCompressor{c}
			continue
		}
		list = append(list, grpcCompressor{c})
	}
	return list
}

// grpcCompressor is a compressor of grpc-go as naru takes it.
type grpcCompressor struct{ grpcenc.Compressor }

// Compress implements encoding.Compressor.
func (c grpcCompressor) Compress(dst, src []byte) ([]byte, error) {
	buf := bytes.NewBuffer(dst)
	w, err := c.Compressor.Compress(buf)
	if err != nil {
		return dst, err
	}
	if _, err := w.Write(src); err != nil {
		return dst, err
	}
	if err := w.Close(); err != nil {
		return dst, err
	}
	return buf.Bytes(), nil
}

// Decompress implements encoding.Compressor.
func (c grpcCompressor) Decompress(dst, src []byte, limit int) ([]byte, error) {
	r, err := c.Compressor.Decompress(bytes.NewReader(src))
	if err != nil {
		return dst, err
	}
	buf := bytes.NewBuffer(dst)
	if limit < 0 {
		_, err = io.Copy(buf, r)
	} else {
		var n int64
		n, err = io.Copy(buf, io.LimitReader(r, int64(limit)+1))
		if err == nil && n > int64(limit) {
			err = &encoding.LimitError{Compressor: c.Name(), Limit: limit}
		}
	}
	if err != nil {
		return dst, err
	}
	return buf.Bytes(), nil
}

// registeredCompressors are the names of the compressors registered with grpc-go, which has no
// function that lists them. Its clients name them in each request, so that one request to a server
// in memory tells. grpc-go permits registering at initialization only, so that the answer is kept.
var registeredCompressors = sync.OnceValue(func() []string {
	var names []string
	srv, err := naru.NewServer(naru.WithUnknownServiceHandler(func(_ string, s naru.ServerStream) error {
		names = stub.AcceptedCompressors(s.Context())
		return nil
	}))
	if err != nil {
		return nil
	}
	lis := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = srv.Serve(lis) // nil: it ends with Shutdown
	}()
	defer func() {
		_ = srv.Shutdown(context.Background()) // the one call has ended
		<-served
	}()
	cc, err := grpc.NewClient("passthrough:///compressors", grpc.WithContextDialer(lis.dial),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil
	}
	defer cc.Close()
	s, err := cc.NewStream(context.Background(), &grpc.StreamDesc{ServerStreams: true}, "/naru.grpcgo/compressors")
	if err != nil {
		return nil
	}
	_ = s.CloseSend()  // RecvMsg tells
	_ = s.RecvMsg(nil) // io.EOF
	return names
})

// pipeListener is a listener in memory.
type pipeListener struct {
	conns chan net.Conn // unbuffered
	done  chan struct{} // closed by Close
	once  sync.Once
}

func (l *pipeListener) dial(ctx context.Context, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Accept implements net.Listener.
func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr implements net.Listener.
func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }
