package naru_test

import (
	"context"
	"testing"

	"github.com/naru-rpc/naru/stub"
)

func BenchmarkUnary(b *testing.B) {
	for _, transport := range []string{"inproc", "http2"} {
		b.Run(transport+"/1", func(b *testing.B) {
			p := start(b, transport, plain())
			req, res := str("hello"), new(text)
			b.ReportAllocs()
			for b.Loop() {
				if err := p.Invoke(context.Background(), methodUnary, req, res); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(transport+"/100", func(b *testing.B) {
			p := start(b, transport, plain())
			b.ReportAllocs()
			b.SetParallelism(50)
			b.RunParallel(func(pb *testing.PB) {
				req, res := str("hello"), new(text)
				for pb.Next() {
					if err := p.Invoke(context.Background(), methodUnary, req, res); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

func BenchmarkBidi(b *testing.B) {
	for _, transport := range []string{"inproc", "http2"} {
		b.Run(transport, func(b *testing.B) {
			p := start(b, transport, plain())
			s, err := stub.NewBidiStreamingClient[text, text](context.Background(), p, methodBidi)
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			req, res := str("hello"), new(text)
			b.ReportAllocs()
			for b.Loop() {
				if err := s.SendMsg(req); err != nil {
					b.Fatal(err)
				}
				if err := s.RecvMsg(res); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
