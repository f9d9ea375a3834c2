package rawproto

import (
	"math"
	"slices"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// Kind is what length-delimited bytes may be.
type Kind string

// The kinds, in the order of preference between equals.
const (
	Text          Kind = "text"
	Message       Kind = "message"
	PackedVarint  Kind = "packed varints"
	PackedFixed64 Kind = "packed 64-bit values"
	PackedFixed32 Kind = "packed 32-bit values"
	Bytes         Kind = "bytes"
)

// Guess is a kind with its likelihood, from 0 to 1. The likelihoods of a value's guesses add up to
// 1.
type Guess struct {
	Kind       Kind    `json:"kind"`
	Likelihood float64 `json:"likelihood"`
}

// Guesses returns what length-delimited bytes may be, the likeliest first. The likelihoods come
// from weights that were set by hand, so that they order the guesses well and measure little.
func Guesses(b []byte) []Guess {
	weights := []struct {
		kind   Kind
		weight float64
	}{
		{Text, textWeight(b)}, {Message, messageWeight(b)}, {PackedVarint, varintWeight(b)},
		{PackedFixed64, fixedWeight(b, 8)}, {PackedFixed32, fixedWeight(b, 4)}, {Bytes, 0.3},
	}
	sum := 0.0
	for _, w := range weights {
		sum += w.weight
	}
	var guesses []Guess
	for _, w := range weights {
		if w.weight > 0 {
			guesses = append(guesses, Guess{w.kind, w.weight / sum})
		}
	}
	slices.SortStableFunc(guesses, func(a, b Guess) int {
		switch {
		case a.Likelihood > b.Likelihood:
			return -1
		case a.Likelihood < b.Likelihood:
			return 1
		}
		return 0
	})
	return guesses
}

// textWeight is high for what people write, and low for UTF-8 with control characters in it.
func textWeight(b []byte) float64 {
	if !utf8.Valid(b) {
		return 0
	}
	for _, r := range string(b) {
		if !unicode.IsGraphic(r) && r != '\n' && r != '\r' && r != '\t' {
			return 0.1
		}
	}
	switch {
	case len(b) == 0:
		return 2 // an empty message and empty bytes look the same
	case len(b) < 3:
		return 3
	}
	return 12
}

// messageWeight is high for messages whose field numbers are small and which have no leftovers.
func messageWeight(b []byte) float64 {
	if len(b) == 0 {
		return 1
	}
	fields, err := Parse(b)
	if err != nil {
		return 0
	}
	logs := 0.0
	for i := range fields {
		logs += math.Log(fieldWeight(&fields[i]))
	}
	weight := 6 * math.Exp(logs/float64(len(fields)))
	if len(b) < 3 {
		weight /= 3
	}
	return weight
}

func fieldWeight(f *Field) float64 {
	weight := 1.0
	switch {
	case f.Number > 1<<15:
		weight = 0.01
	case f.Number > 1000:
		weight = 0.1
	case f.Number > 100:
		weight = 0.4
	case f.Number > 20:
		weight = 0.8
	}
	switch f.Type {
	case protowire.StartGroupType:
		weight *= 0.2 // groups have been out of use for long
	case protowire.BytesType:
		if textWeight(f.Value) > 2 {
			weight *= 1.5
		}
	case protowire.Fixed32Type, protowire.Fixed64Type:
		weight *= 0.7
	}
	return weight
}

// varintWeight is above 0 for bytes that are varints one after another, each as short as it can be.
func varintWeight(b []byte) float64 {
	count := 0
	for len(b) > 0 {
		v, n := protowire.ConsumeVarint(b)
		if n < 0 || n != protowire.SizeVarint(v) {
			return 0
		}
		b, count = b[n:], count+1
	}
	if count == 0 {
		return 0
	}
	return 0.8
}

// fixedWeight is higher for numbers that read well as floating point, or are small.
func fixedWeight(b []byte, width int) float64 {
	if len(b) == 0 || len(b)%width != 0 {
		return 0
	}
	for rest := b; len(rest) > 0; rest = rest[width:] {
		var v float64
		var small bool
		if width == 4 {
			n, _ := protowire.ConsumeFixed32(rest)
			v, small = float64(math.Float32frombits(n)), n < 1<<16
		} else {
			n, _ := protowire.ConsumeFixed64(rest)
			v, small = math.Float64frombits(n), n < 1<<32
		}
		if abs := math.Abs(v); !small && (math.IsNaN(v) || abs != 0 && (abs < 1e-6 || abs > 1e12)) {
			return 0.1
		}
	}
	return 1.5
}
