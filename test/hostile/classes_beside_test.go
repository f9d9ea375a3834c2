package hostile

import (
	"encoding/binary"
	"net"
	"time"

	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/test/bench/benchpb"
)

// Attacks whose effect on others is measured beside grpc-go. Their peers keep to HTTP/2, and those
// called "below" also keep below a limit of naru's, so that no limit ends them.
var besideClasses = []class{
	{
		name:   "slow uploads: 200 of 3 MB, 20 KB/s a connection",
		attack: func(p *peer) { dripUploads(p, 20, 60_000, 50, 50*time.Millisecond) },
	},
	{
		// A message at less than 64 KiB/s for a second counts only with what has come
		// (docs/memory.md).
		name:   "uploads below the limit: 80 of 4 MB, each at 80 KB/s",
		attack: func(p *peer) { dripUploads(p, 8, 60_000, 4_000, 50*time.Millisecond) },
	},
	{
		name:   "dripping uploads: 1,000, one byte a second each",
		attack: func(p *peer) { dripUploads(p, 100, 10, 1, time.Second) },
	},
	{
		name:   "dripping uploads: 1,000 of 4 MB, 60 KB in all over 8 s",
		attack: func(p *peer) { dripUploads(p, 100, 20, 5, time.Second) },
	},
	{
		name:     "slow downloads: 1,000 of 1 MB, 20 KB/s a connection",
		settings: []frame.Setting{{ID: frame.SettingInitialWindowSize, Value: 1 << 14}},
		attack:   func(p *peer) { dripDownloads(p, 100, 1<<20, 1000, 50*time.Millisecond) },
	},
	{
		// Four finished responses of 256 KiB together, and a connection's further calls wait
		// (Limits.Backlog).
		name:     "downloads below the limit: three at a time on a connection, 80 KB each",
		settings: []frame.Setting{{ID: frame.SettingInitialWindowSize, Value: 1 << 14}},
		attack:   func(p *peer) { dripDownloads(p, 3, 80_000, 8_000, 10*time.Millisecond) },
	},
	{
		name:   "slow handlers: 250 a connection, calls canceled after 50 ms",
		attack: func(p *peer) { holdCalls(p, 250, 50*time.Millisecond) },
	},
	{
		// Calls that are given up after less than 5 ms are charged, others are not
		// (Limits.ResetsReceived).
		name:   "cancelled calls below the limit: 250 a connection, each after 6 ms",
		attack: func(p *peer) { holdCalls(p, 250, 6*time.Millisecond) },
	},
	{
		name:   "cancelled calls below the limit: at once, 33 a second and connection",
		attack: func(p *peer) { resetsWithin(p, 30*time.Millisecond) },
	},
	{
		name:   "hit and run: a call on each connection, dropped at once",
		attack: func(p *peer) { hitAndRun(p, time.Millisecond, func(q *peer) { q.call(unary, sleeping(200)) }) },
	},
	{
		name: "hit and run: 60 KB of a message of 4 MB on each connection",
		attack: func(p *peer) {
			hitAndRun(p, time.Millisecond, func(q *peer) {
				id := q.id()
				q.headers(id, false, head(unary))
				q.data(id, false, unfinished(4<<20, 16_000))
				for range 2 {
					q.data(id, false, make([]byte, 16_000))
				}
				q.data(id, false, make([]byte, 12_000))
			})
		},
	},
	{
		name:   "hit and run: preface, SETTINGS, gone",
		attack: func(p *peer) { hitAndRun(p, time.Millisecond, func(*peer) {}) },
	},
}

// sleeping asks for a handler that takes ms, or until its context ends.
func sleeping(ms int64) []byte { return message(&benchpb.Message{Message: "sleep", Id: ms}) }

// unfinished is the first n bytes of a message of size bytes.
func unfinished(size, n int) []byte { return prefixed(0, size-100, make([]byte, n-5)) }

// dripUploads keeps streams with a message that comes slowly: first bytes at once, then piece bytes
// of each every pause. Those that the server ends begin anew.
func dripUploads(p *peer, streams, first, piece int, pause time.Duration) {
	const size = 4<<20 - 1000
	ids, sent := make([]uint32, streams), make([]int, streams)
	begin := func(i int) {
		ids[i], sent[i] = p.id(), first
		p.headers(ids[i], false, head(unary))
		p.trickle(ids[i], unfinished(size, first))
	}
	for i := range ids {
		begin(i)
	}
	zeros := make([]byte, piece)
	for !p.pause(pause) && !p.over() {
		for i, id := range ids {
			if p.credit.gone(id) || sent[i]+piece > size {
				p.reset(id)
				begin(i)
				continue
			}
			if n := p.credit.try(id, piece); n > 0 {
				p.data(id, false, zeros[:n])
				sent[i] += n
			}
		}
		p.send()
	}
}

// dripDownloads keeps calls whose responses of size bytes it takes slowly: piece bytes of one
// stream after the other, one every pause.
func dripDownloads(p *peer, streams int, size int64, piece uint32, pause time.Duration) {
	ids := make([]uint32, streams)
	for i := range ids {
		ids[i] = p.call(unary, large(size))
	}
	p.send()
	for i := 0; !p.pause(pause) && !p.over(); i = (i + 1) % streams {
		if p.credit.gone(ids[i]) {
			ids[i] = p.call(unary, large(size))
		}
		p.window(ids[i], piece)
		p.window(0, piece)
		p.send()
	}
}

// holdCalls keeps calls of slow handlers open, each canceled when it is as old as it may get.
func holdCalls(p *peer, streams int, age time.Duration) {
	body := sleeping(10_000)
	for !p.over() {
		var ids []uint32
		for range streams {
			ids = append(ids, p.call(unary, body))
		}
		p.send()
		if p.pause(age) {
			return
		}
		for _, id := range ids {
			p.reset(id)
		}
		p.send()
	}
}

// resetsWithin gives calls up at once, one every pause.
func resetsWithin(p *peer, pause time.Duration) {
	for !p.over() {
		p.reset(p.call(unary, sleeping(10_000)))
		p.send()
		if p.pause(pause) {
			return
		}
	}
}

// hitAndRun makes connections of its own one after the other, does something on each, and drops it.
func hitAndRun(p *peer, pause time.Duration, hit func(*peer)) {
	addr := p.nc.RemoteAddr().String()
	for !p.over() && !p.pause(pause) {
		q, err := dialPeer(addr, p.stop, true)
		if err != nil {
			continue // the server cannot take more of them for the moment
		}
		_ = q.nc.(*net.TCPConn).SetLinger(0) // no port is left waiting
		q.out = append(q.out, preface...)
		p.hits++
		hit(q)
		q.send()
		q.close()
	}
}

// preface is that of a client without settings.
var preface = append([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), binary.BigEndian.AppendUint32([]byte{0, 0, 0, 4, 0}, 0)...)
