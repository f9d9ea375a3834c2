package hostile

import (
	"bytes"
	"compress/gzip"
	"runtime"
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/naru-rpc/naru/test/bench/benchpb"
)

// decoders is what those that expand messages may have beside the messages: as many as there are
// processors, each of a message and a block more.
var decoders = int64(runtime.GOMAXPROCS(0)) * (terms.Message + 1<<20)

// What gRPC puts on top of HTTP/2: paths, prefixes, compression. The server refuses the call and
// goes on.
var callClasses = []class{
	{
		name:    "a decompression bomb, gzip",
		hold:    hold{sent: bombSize / 1000, made: terms.Expanded() + decoders},
		prepare: func() { gzipBomb() },
		attack:  func(p *peer) { bomb(p, "gzip", gzipBomb()) },
	},
	{
		name:    "a decompression bomb, zstd",
		hold:    hold{sent: bombSize / 10_000, made: terms.Expanded() + decoders},
		prepare: func() { zstdBomb() },
		attack:  func(p *peer) { bomb(p, "zstd", zstdBomb()) },
	},
	{
		name: "zstd frames that ask for a large window",
		attack: func(p *peer) {
			// Magic number, descriptor without a size, window descriptor of 2^41.
			bomb(p, "zstd", []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xf8, 0x01, 0x00, 0x00})
		},
	},
	{
		name: "lengths beyond the limit",
		attack: func(p *peer) {
			p.repeat(func() {
				id := p.id()
				p.headers(id, false, head(unary))
				p.data(id, true, prefixed(0, 1<<32-1, []byte("short")))
			})
		},
	},
	{
		name: "compressed messages without grpc-encoding",
		attack: func(p *peer) {
			b := prefixed(1, 10, make([]byte, 10))
			p.repeat(func() { p.call(unary, b) })
		},
	},
	{
		name: "reserved bits in the compressed flag",
		attack: func(p *peer) {
			b := prefixed(0xfe, 10, make([]byte, 10))
			p.repeat(func() { p.call(unary, b) })
		},
	},
	{
		name: "messages that are no protobuf",
		attack: func(p *peer) {
			b := prefixed(0, 100, bytes.Repeat([]byte{0xff}, 100))
			p.repeat(func() { p.call(unary, b) })
		},
	},
	{
		name: "ten thousand messages where one belongs",
		attack: func(p *peer) {
			b := bytes.Repeat(message(&benchpb.Message{Id: 1}), 2000)
			p.repeat(func() { p.call(unary, b) })
		},
	},
	{
		name:   "handlers that panic",
		attack: func(p *peer) { p.repeat(func() { p.call(unary, panics) }) },
	},
	{
		name: "paths that are no method (CVE-2026-33186)",
		attack: func(p *peer) {
			paths := []string{"//naru.bench.v1.Echo/Unary", "/naru.bench.v1.Echo//Unary", "/naru.bench.v1.Echo/Unary?x=1",
				"/naru.bench.v1.Echo/%55nary", "/", "/x", "/naru.bench.v1.Echo/", "/naru.bench.v1.Echo/Unary/"}
			p.repeat(func() { p.call(paths[p.n%len(paths)], message(nil)) })
		},
		ends: "refused_flood",
	},
	{
		name: "other content types",
		attack: func(p *peer) {
			b := block(":method", "GET", ":scheme", "http", ":path", "/", ":authority", "x")
			p.repeat(func() { p.headers(p.id(), true, b) })
		},
		ends: "refused_flood|reset_caused_flood",
	},
}

// bomb sends the compressed bytes as messages.
func bomb(p *peer, encoding string, b []byte) {
	m := prefixed(1, len(b), b)
	h := head(unary, "grpc-encoding", encoding)
	for !p.over() {
		id := p.id()
		p.headers(id, false, h)
		p.trickle(id, m[:len(m)-1])
		if p.credit.take(p.stop, id, 1) == 1 {
			p.data(id, true, m[len(m)-1:])
		}
		p.send()
	}
}

// Bombs hold 256 MB of zeros.
const bombSize = 256 << 20

var (
	gzipBomb = sync.OnceValue(makeGzipBomb)
	zstdBomb = sync.OnceValue(makeZstdBomb)
)

func makeGzipBomb() []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	explode(w)
	_ = w.Close() // to memory
	return b.Bytes()
}

func makeZstdBomb() []byte {
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1))
	if err != nil {
		panic("BUG: " + err.Error())
	}
	explode(w)
	_ = w.Close() // to memory
	return b.Bytes()
}

func explode(w interface{ Write([]byte) (int, error) }) {
	zeros := make([]byte, 1<<20)
	for range bombSize >> 20 {
		_, _ = w.Write(zeros) // to memory
	}
}
