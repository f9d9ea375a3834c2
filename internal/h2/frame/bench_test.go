package frame

import "testing"

func BenchmarkParseHeaderCheck(b *testing.B) {
	buf := AppendData(nil, 1, false, nil)
	for b.Loop() {
		if ParseHeader(buf).Check(MinMaxFrameSize) != nil {
			b.Fatal("refused")
		}
	}
}

func BenchmarkAppendData(b *testing.B) {
	buf := make([]byte, 0, 64)
	p := make([]byte, 20)
	for b.Loop() {
		buf = AppendData(buf[:0], 1, true, p)
	}
}

func BenchmarkReserveFinishHeaders(b *testing.B) {
	buf := make([]byte, 0, 64)
	block := make([]byte, 10)
	for b.Loop() {
		buf = append(ReserveHeaders(buf[:0]), block...)
		buf = FinishHeaders(buf, 0, 1, true, MinMaxFrameSize)
	}
}
