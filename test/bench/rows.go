package main

import (
	"context"
	"fmt"

	"github.com/naru-rpc/naru/test/bench/echo"
	"github.com/naru-rpc/naru/test/bench/load"
)

// A peer is a stack to compare with. Target is the least ratio wanted (rows where lower is
// better: the most); 0 means that the ratio is for information.
type peer struct {
	impl   echo.Impl
	target float64
}

// A row is one piece of work.
type row struct {
	work  string
	unit  string
	lower bool    // lower is better
	own   float64 // target for naru's own figure instead of, or beside, ratios; 0: none
	quick bool    // part of the quick run
	// headline rows are shown in README.md.
	headline bool
	peers    []peer
	// measure does the work once with one stack.
	measure func(ctx context.Context, b *bench, impl echo.Impl) (float64, error)
}

var grpcGoOnly = func(target float64) []peer { return []peer{{echo.GRPCGo, target}} }

// rows is the table of docs/performance.md. Messages are a five-letter string, plus the
// payload where one is named.
func rows() []row {
	var all []row
	add := func(r row) { all = append(all, r) }

	for i, s := range []struct{ conns, streams int }{{1, 100}, {10, 10}, {50, 20}} {
		text := fmt.Sprintf("%d x %d", s.conns, s.streams)
		peers := []peer{{echo.GRPCGo, 3}, {echo.CPP, 2.7}, {echo.Connect, 0}}
		add(row{work: "unary, server on one core, replay on the other, " + text, unit: "calls/s", quick: i < 2, headline: i != 1,
			peers: peers, measure: replayed{conns: s.conns, streams: s.streams}.rate})
		add(row{work: "unary, server on one core, h2load on the other, " + text, unit: "calls/s", quick: i < 1, headline: i == 0,
			peers: peers, measure: h2load(s).rate})
	}

	both := func(work string, quick bool, peers []peer, c client) {
		add(row{work: "both ends: " + work, unit: "calls/s", quick: quick, peers: peers, measure: c.callRate})
	}
	both("unary, 1 caller", true, []peer{{echo.GRPCGo, 2}, {echo.CPP, 0}, {echo.Connect, 0}},
		client{mode: load.Unary, conns: 1, callers: 1})
	both("unary, 100 callers, 1 connection", true, []peer{{echo.GRPCGo, 4}, {echo.CPP, 0}, {echo.Connect, 0}},
		client{mode: load.Unary, conns: 1, callers: 100})
	both("unary, 1000 callers, 10 connections", true, []peer{{echo.GRPCGo, 4}, {echo.CPP, 0}, {echo.Connect, 0}},
		client{mode: load.Unary, conns: 10, callers: 1000})
	both("bidi ping-pong, 1 stream", true, grpcGoOnly(1.8), client{mode: load.PingPong, conns: 1, callers: 1})
	both("bidi ping-pong, 100 streams", true, grpcGoOnly(2), client{mode: load.PingPong, conns: 1, callers: 100})
	both("bidi pipelined, 10 streams", true, grpcGoOnly(1.5), client{mode: load.Pipe, conns: 1, callers: 10})
	both("server stream, 1 stream", true, grpcGoOnly(1.5), client{mode: load.Server, conns: 1, callers: 1})
	both("server stream, 10 streams", false, grpcGoOnly(1.5), client{mode: load.Server, conns: 1, callers: 10})
	both("client stream, 10 streams", false, grpcGoOnly(0), client{mode: load.Client, conns: 1, callers: 10})

	large := func(work string, quick bool, target float64, c client) {
		add(row{work: "both ends: " + work, unit: "MB/s", quick: quick, peers: grpcGoOnly(target), measure: c.byteRate})
	}
	large("64 KiB unary, 10 callers", true, 2.5, client{mode: load.Unary, conns: 1, callers: 10, size: 64 << 10})
	large("1 MB unary, 4 callers", true, 2, client{mode: load.Unary, conns: 1, callers: 4, size: 1_000_000})
	large("1 MB server stream", true, 1.5, client{mode: load.Server, conns: 1, callers: 1, size: 1_000_000})

	tls := func(work string, quick bool, c client) {
		c.tls = true
		add(row{work: "TLS, both ends: " + work, unit: "calls/s", quick: quick,
			peers: []peer{{echo.GRPCGo, 1}, {echo.Connect, 0}}, measure: c.callRate})
	}
	tls("unary, 1 caller", false, client{mode: load.Unary, conns: 1, callers: 1})
	tls("unary, 100 callers, 1 connection", true, client{mode: load.Unary, conns: 1, callers: 100})
	tls("unary, 1000 callers, 10 connections", false, client{mode: load.Unary, conns: 10, callers: 1000})
	tls("64 KiB unary, 10 callers", false, client{mode: load.Unary, conns: 1, callers: 10, size: 64 << 10})

	all = append(all, figures()...)
	for i := range all {
		switch all[i].work {
		case "both ends: unary, 1 caller", "both ends: unary, 1000 callers, 10 connections",
			"both ends: bidi ping-pong, 100 streams", "both ends: server stream, 1 stream", "both ends: 1 MB unary, 4 callers",
			"allocations per unary call beyond the message, client", "allocations per unary call beyond the message, server",
			"resident memory per idle connection, server, 5,000 connections":
			all[i].headline = true
		}
	}
	return all
}

// figures are the rows that are no rates.
func figures() []row {
	return []row{
		{work: "allocations per unary call beyond the message, client", unit: "", lower: true, own: 8, quick: true,
			peers: grpcGoOnly(0), measure: clientAllocs},
		{work: "allocations per unary call beyond the message, server", unit: "", lower: true, own: 8, quick: true,
			peers: grpcGoOnly(0), measure: serverAllocs},
		{work: "resident memory per idle connection, server, 5,000 connections", unit: "KB", lower: true, own: 8,
			peers: []peer{{echo.GRPCGo, 0}, {echo.Connect, 0}, {echo.CPP, 0}}, measure: memory{conns: 5000}.perConn},
		{work: "resident memory per idle connection, server, TLS, 5,000 connections", unit: "KB", lower: true, own: 24,
			peers: []peer{{echo.GRPCGo, 0}, {echo.Connect, 0}}, measure: memory{conns: 5000, tls: true}.perConn},
		{work: "10,000 connections x 10 streams against 10 x 10: throughput kept", unit: "%", own: 70,
			peers: []peer{{echo.GRPCGo, 0}, {echo.CPP, 0}}, measure: thrice(kept)},
		{work: "p99 at half of grpc-go's highest rate (1 connection, 100 callers)", unit: "us", lower: true, quick: true,
			peers: grpcGoOnly(0.7), measure: halfPeak},
		{work: "1 KB call beside a stream of 64 KiB messages: p99 less one frame / p99 alone", unit: "x", lower: true, own: 2,
			peers: grpcGoOnly(0), measure: thrice(fairness(64 << 10))},
		{work: "1 KB call beside a stream of 1 MB messages: p99 less one frame / p99 alone", unit: "x", lower: true, own: 2,
			peers: grpcGoOnly(0), measure: thrice(fairness(1_000_000))},
	}
}
