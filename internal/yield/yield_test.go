package yield

import "testing"

// reset is for the next test.
func reset() { left.Store(0); crowded.Store(0) }

func TestOnlySmallCallsMakeLargeMessagesConsiderate(t *testing.T) {
	t.Cleanup(reset)
	reset()
	After(1 << 20)
	if left.Load() != 0 || Piece(64<<10) != 64<<10 {
		t.Error("considerate without a small call")
	}
	Small()
	After(Least - 1)
	if left.Load() != lasting {
		t.Error("a small piece counts as a large one")
	}
	for n := 0; n < lasting; n += 64 << 10 {
		if left.Load() <= 0 {
			t.Fatalf("after %d bytes no longer considerate, want %d", n, lasting)
		}
		After(64 << 10)
	}
	crowded.Store(1)
	if left.Load() > 0 || Piece(64<<10) != 64<<10 {
		t.Error("considerate for ever after one small call")
	}
}

func TestPiecesAreSmallWhereProcessorsAreScarce(t *testing.T) {
	t.Cleanup(reset)
	Small()
	crowded.Store(crowdedFor)
	if Piece(64<<10) != smallPiece || Piece(1000) != 1000 {
		t.Errorf("pieces of %d and %d, want %d and 1000", Piece(64<<10), Piece(1000), smallPiece)
	}
}

func BenchmarkSmall(b *testing.B) {
	b.Cleanup(reset)
	for b.Loop() {
		Small()
	}
}

func BenchmarkAfter(b *testing.B) {
	b.Cleanup(reset)
	for b.Loop() {
		Small()
		After(64 << 10)
	}
}
