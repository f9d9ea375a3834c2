package encoding

import (
	"bytes"
	stdgzip "compress/gzip"
	"errors"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/klauspost/compress/zstd"
)

func compressors() []Compressor {
	best, err := GzipLevel(9)
	if err != nil {
		panic(err)
	}
	return []Compressor{Gzip(), best, Zstd()}
}

// samples are messages that stress different parts of a compressor.
func samples() map[string][]byte {
	rng := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 300_000)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	return map[string][]byte{
		"empty":          {},
		"one byte":       {7},
		"text":           []byte(strings.Repeat("the quick brown fox ", 50)),
		"noise":          noise,
		"zeros":          make([]byte, 1<<20),
		"noise repeated": bytes.Repeat(noise[:200_000], 4),
	}
}

func TestCompressorsRoundTrip(t *testing.T) {
	for _, c := range compressors() {
		for name, in := range samples() {
			packed, err := c.Compress([]byte("head"), in)
			if err != nil {
				t.Fatalf("%s: %s: compress: %v", c.Name(), name, err)
			}
			wire, ok := bytes.CutPrefix(packed, []byte("head"))
			if !ok {
				t.Fatalf("%s: %s: what was in the buffer is gone", c.Name(), name)
			}
			for _, limit := range []int{-1, len(in), len(in) + 1, 4 << 20} {
				for _, dst := range [][]byte{nil, []byte("before"), append(make([]byte, 0, 6+16+len(in)), "before"...), make([]byte, 3, 2<<20)} {
					out, err := c.Decompress(dst, wire, limit)
					if err != nil {
						t.Fatalf("%s: %s: limit %d, cap %d: %v", c.Name(), name, limit, cap(dst), err)
					}
					if !bytes.Equal(out[:len(dst)], dst) || !bytes.Equal(out[len(dst):], in) {
						t.Fatalf("%s: %s: came back changed (%d bytes of %d)", c.Name(), name, len(out)-len(dst), len(in))
					}
					if cap(dst)-len(dst) >= len(in)+16 && len(dst) > 0 && &out[0] != &dst[0] {
						t.Errorf("%s: %s: a buffer with room was not used", c.Name(), name)
					}
				}
			}
			for _, limit := range []int{0, 1, len(in) / 2, len(in) - 1} {
				if limit < 0 || limit >= len(in) {
					continue
				}
				out, err := c.Decompress([]byte("kept"), wire, limit)
				var tooLarge *LimitError
				if !errors.As(err, &tooLarge) || tooLarge.Limit != limit || string(out) != "kept" {
					t.Errorf("%s: %s: limit %d of %d: %d bytes, %v; want a LimitError", c.Name(), name, limit, len(in), len(out), err)
				}
			}
		}
	}
}

func TestLimitErrorSaysWhich(t *testing.T) {
	wire, _ := Zstd().Compress(nil, make([]byte, 100))
	_, err := Zstd().Decompress(nil, wire, 99)
	if want := "encoding: zstd decompress: message expands to more than the limit of 99 bytes"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestGzipLevels(t *testing.T) {
	for _, level := range []int{-2, -1, 0, 10} {
		if _, err := GzipLevel(level); err == nil {
			t.Errorf("level %d: no error", level)
		}
	}
	in := []byte(strings.Repeat("a rather usual text, ", 100) + strings.Repeat("and another usual text; ", 100))
	small, _ := GzipLevel(9)
	a, _ := Gzip().Compress(nil, in)
	b, _ := small.Compress(nil, in)
	if len(b) >= len(a) {
		t.Errorf("level 9 makes %d bytes, the fastest %d", len(b), len(a))
	}
}

// TestForeignFrames reads what encoders with other habits than ours write.
func TestForeignFrames(t *testing.T) {
	in := []byte(strings.Repeat("abc ", 100_000))
	var std bytes.Buffer
	w := stdgzip.NewWriter(&std)
	w.Name = "with a name"
	_, _ = w.Write(in[:1000])
	_ = w.Close()
	w.Reset(&std) // a second member: RFC 1952 §2.2
	_, _ = w.Write(in[1000:])
	_ = w.Close()

	var stream bytes.Buffer // no content size, a checksum
	z, err := zstd.NewWriter(&stream, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(true))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = z.Write(in)
	_ = z.Flush()
	_ = z.Close()
	all, _ := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(zstd.MaxWindowSize), zstd.WithSingleSegment(true))
	single := all.EncodeAll(in, nil)
	frames := all.EncodeAll(in[:1000], []byte("\x50\x2a\x4d\x18\x03\x00\x00\x00abc")) // skippable frame first
	frames = all.EncodeAll(in[1000:], frames)
	streams := bytes.Clone(stream.Bytes())
	streams = append(streams, streams...)

	for _, tt := range []struct {
		name string
		c    Compressor
		wire []byte
		want []byte
	}{
		{"gzip with a name and two members", Gzip(), std.Bytes(), in},
		{"zstd stream", Zstd(), stream.Bytes(), in},
		{"zstd single segment", Zstd(), single, in},
		{"zstd skippable frame and two frames", Zstd(), frames, in},
		{"zstd two streams", Zstd(), streams, append(bytes.Clone(in), in...)},
	} {
		for _, limit := range []int{-1, len(tt.want), 4 << 20} {
			for _, dst := range [][]byte{nil, []byte("x")} {
				out, err := tt.c.Decompress(dst, tt.wire, limit)
				if err != nil || !bytes.Equal(out[len(dst):], tt.want) {
					t.Errorf("%s: limit %d: %d bytes, %v; want %d", tt.name, limit, len(out), err, len(tt.want))
				}
			}
		}
		var tooLarge *LimitError
		if _, err := tt.c.Decompress(nil, tt.wire, len(tt.want)-1); !errors.As(err, &tooLarge) {
			t.Errorf("%s: one byte over the limit: %v", tt.name, err)
		}
	}
}

func TestBrokenInput(t *testing.T) {
	for _, c := range []Compressor{Gzip(), Zstd()} {
		good, _ := c.Compress(nil, []byte(strings.Repeat("text", 100)))
		for name, wire := range map[string][]byte{
			"nothing":          nil,
			"rubbish":          []byte("rubbish that is long enough for a header"),
			"cut off":          good[:len(good)-1],
			"cut in the head":  good[:3],
			"rubbish after it": append(bytes.Clone(good), "rubbish"...),
		} {
			out, err := c.Decompress([]byte("kept"), wire, -1)
			if err == nil || string(out) != "kept" {
				t.Errorf("%s: %s: %q, %v; want an error", c.Name(), name, out, err)
			}
			var tooLarge *LimitError
			if errors.As(err, &tooLarge) {
				t.Errorf("%s: %s: %v, want it called broken, not large", c.Name(), name, err)
			}
			// What failed must not spoil what is kept for the next message.
			if out, err := c.Decompress(nil, good, 400); err != nil || len(out) != 400 {
				t.Errorf("%s: after %s: %d bytes, %v", c.Name(), name, len(out), err)
			}
		}
	}
	damaged, _ := Gzip().Compress(nil, []byte("text"))
	damaged[len(damaged)-6] ^= 1
	if _, err := Gzip().Decompress(nil, damaged, -1); err == nil {
		t.Error("gzip: a wrong checksum was not noticed")
	}
}

// TestBombs expands messages of a few kilobytes to gigabytes, or claims to.
func TestBombs(t *testing.T) {
	const limit = 4 << 20
	var gz bytes.Buffer
	w, _ := stdgzip.NewWriterLevel(&gz, 9)
	zeros := make([]byte, 1<<20)
	for range 64 {
		_, _ = w.Write(zeros)
	}
	_ = w.Close()
	frame := func(head string, blocks int) []byte {
		b := []byte("\x28\xb5\x2f\xfd" + head)
		for i := range blocks {
			last := byte(0)
			if i == blocks-1 {
				last = 1
			}
			b = append(b, 2|last, 0, 0x10, 0) // RLE block of 128 KiB: type 1, size 1<<17
		}
		return b
	}
	for _, tt := range []struct {
		name  string
		c     Compressor
		wire  []byte
		limit int
		large bool // else broken
	}{
		{"gzip of 64 MiB", Gzip(), gz.Bytes(), limit, true},
		{"zstd of 128 MiB, size unknown", Zstd(), frame("\x00\x58", 1024), limit, true},
		{"zstd of 128 MiB, size told", Zstd(), frame("\x80\x58\x00\x00\x00\x08", 1024), limit, true},
		{"zstd that claims 2^62", Zstd(), frame("\xe0\x00\x00\x00\x00\x00\x00\x00\x40", 1), limit, false},
		{"zstd that claims 3 MiB, under the limit", Zstd(), frame("\xa0\x00\x00\x30\x00", 1), limit, false},
		{"zstd that claims 2^62, no limit", Zstd(), frame("\xe0\x00\x00\x00\x00\x00\x00\x00\x40", 1), -1, false},
		{"zstd that claims 3 GiB in one frame of many, no limit", Zstd(), append(frame("\x00\x58", 4), frame("\xa0\x00\x00\x00\xc0", 1)...), -1, false},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		out, err := tt.c.Decompress(nil, tt.wire, tt.limit)
		runtime.ReadMemStats(&after)
		var tooLarge *LimitError
		if err == nil || tt.large && !errors.As(err, &tooLarge) {
			t.Errorf("%s: %d bytes, %v", tt.name, len(out), err)
		}
		most := uint64(4 * limit)
		if !tt.large {
			most = 3 << 20 // what nobody can believe is not to cost what it says
		}
		if got := after.TotalAlloc - before.TotalAlloc; got > most {
			t.Errorf("%s: allocated %d KiB in all, want a small multiple of the limit", tt.name, got>>10)
		}
	}
}

// TestHugeWindowCostsNothing: a frame's window is a claim about the past, of which there is
// never more than the output.
func TestHugeWindowCostsNothing(t *testing.T) {
	wire := []byte("\x28\xb5\x2f\xfd\x00\x98\x19\x00\x00abc") // window 2^29, one raw block
	c := Zstd()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	out, err := c.Decompress(nil, wire, 100)
	runtime.ReadMemStats(&after)
	if err != nil || string(out) != "abc" {
		t.Fatalf("%q, %v", out, err)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
		t.Errorf("allocated %d KiB for a message of 3 bytes", got>>10)
	}
}

func TestConcurrentUse(t *testing.T) {
	for _, c := range compressors() {
		in := samples()["text"]
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 50 {
					wire, err := c.Compress(nil, in)
					if err != nil {
						t.Error(err)
						return
					}
					if out, err := c.Decompress(nil, wire, len(in)); err != nil || !bytes.Equal(out, in) {
						t.Errorf("%s: %d bytes, %v", c.Name(), len(out), err)
						return
					}
				}
			})
		}
		wg.Wait()
	}
}

func TestCompressorsInABubble(t *testing.T) {
	for range 2 { // each bubble with its own
		synctest.Test(t, func(t *testing.T) {
			for _, c := range compressors() {
				wire, err := c.Compress(nil, []byte("abc"))
				if err != nil {
					t.Fatal(err)
				}
				if out, err := c.Decompress(nil, wire, 3); err != nil || string(out) != "abc" {
					t.Errorf("%s: %q, %v", c.Name(), out, err)
				}
			}
		})
	}
}

func TestCompressorAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("sync.Pool drops entries at random under the race detector")
	}
	in := samples()["text"]
	for _, c := range compressors() {
		wire, err := c.Compress(nil, in)
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 0, 2*len(in))
		if n := testing.AllocsPerRun(100, func() { buf, _ = c.Compress(buf[:0], in) }); n > 0 {
			t.Errorf("%s compress: %v allocations, want 0", c.Name(), n)
		}
		if n := testing.AllocsPerRun(100, func() { buf, _ = c.Decompress(buf[:0], wire, 4<<20) }); n > 0 {
			t.Errorf("%s decompress: %v allocations, want 0", c.Name(), n)
		}
	}
}

func fuzzDecompress(f *testing.F, c Compressor) {
	for _, in := range samples() {
		if len(in) < 2000 {
			wire, err := c.Compress(nil, in)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(wire, len(in))
			f.Add(append(wire, wire...), len(in))
		}
	}
	f.Fuzz(func(t *testing.T, wire []byte, limit int) {
		limit = min(max(limit, 0), 1<<20)
		out, err := c.Decompress([]byte("head"), wire, limit)
		if string(out[:4]) != "head" {
			t.Fatal("what was in the buffer is gone")
		}
		if err != nil {
			if len(out) != 4 {
				t.Fatalf("%d bytes with an error", len(out)-4)
			}
			return
		}
		if len(out)-4 > limit {
			t.Fatalf("%d bytes, limit %d", len(out)-4, limit)
		}
		again, err := c.Decompress(make([]byte, 0, len(out)), wire, len(out)-4)
		if err != nil || !bytes.Equal(again, out[4:]) {
			t.Fatalf("with the limit at its size: %d bytes, %v; want %d", len(again), err, len(out)-4)
		}
	})
}

func FuzzGzipDecompress(f *testing.F) { fuzzDecompress(f, Gzip()) }
func FuzzZstdDecompress(f *testing.F) { fuzzDecompress(f, Zstd()) }

// TestZstdBombsLeaveNoGarbage: a peer sends them as fast as it can, and the collector is behind.
func TestZstdBombsLeaveNoGarbage(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes pools forget")
	}
	var stream bytes.Buffer
	z, err := zstd.NewWriter(&stream, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for range 16 {
		_, _ = z.Write(zeros) // to memory
	}
	_ = z.Close() // to memory
	c := Zstd()
	bomb := func() {
		_, err := c.Decompress(nil, stream.Bytes(), 4<<20)
		if _, ok := errors.AsType[*LimitError](err); !ok {
			t.Fatalf("%v, want a LimitError", err)
		}
	}
	bomb() // fills the pools
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const bombs = 20
	for range bombs {
		bomb()
	}
	runtime.ReadMemStats(&after)
	// A collection may empty the pools meanwhile.
	if got := (after.TotalAlloc - before.TotalAlloc) / bombs; got > 1<<20 {
		t.Errorf("%d KiB allocated for each of %d messages beyond the limit of 4 MiB", got>>10, bombs)
	}
}
