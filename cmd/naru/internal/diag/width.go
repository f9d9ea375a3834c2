package diag

import "unicode"

// wide are the blocks whose characters take two columns of a terminal: East Asian Wide and
// Fullwidth of Unicode Standard Annex #11, rounded to blocks, and pictographs.
var wide = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x1100, Hi: 0x115F, Stride: 1}, // Hangul Jamo, leading consonants
		{Lo: 0x2E80, Hi: 0x303E, Stride: 1}, // CJK radicals, punctuation
		{Lo: 0x3041, Hi: 0x33FF, Stride: 1}, // kana, compatibility Jamo, squared words
		{Lo: 0x3400, Hi: 0x4DBF, Stride: 1}, // CJK extension A
		{Lo: 0x4E00, Hi: 0xA4CF, Stride: 1}, // CJK, Yi
		{Lo: 0xA960, Hi: 0xA97F, Stride: 1}, // Hangul Jamo extended A
		{Lo: 0xAC00, Hi: 0xD7A3, Stride: 1}, // Hangul syllables
		{Lo: 0xF900, Hi: 0xFAFF, Stride: 1}, // CJK compatibility
		{Lo: 0xFE30, Hi: 0xFE6F, Stride: 1}, // vertical and small forms
		{Lo: 0xFF01, Hi: 0xFF60, Stride: 1}, // fullwidth ASCII
		{Lo: 0xFFE0, Hi: 0xFFE6, Stride: 1}, // fullwidth signs
	},
	R32: []unicode.Range32{
		{Lo: 0x1F300, Hi: 0x1F64F, Stride: 1}, // pictographs
		{Lo: 0x1F680, Hi: 0x1F6FF, Stride: 1},
		{Lo: 0x1F900, Hi: 0x1F9FF, Stride: 1},
		{Lo: 0x20000, Hi: 0x3FFFD, Stride: 1}, // CJK extensions
	},
}

// width returns how many columns of a terminal r takes. Tabs are not its business.
func width(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case r >= 0x1160 && r <= 0x11FF: // Jamo vowels and trailing consonants join the syllable before them
		return 0
	case unicode.Is(wide, r):
		return 2
	default:
		return 1
	}
}

// visible returns r, or for what a terminal would act on instead of showing it something to look
// at. Sources are not trusted: an escape sequence in a file must not reach the terminal through its
// error.
func visible(r rune) rune {
	switch {
	case r < 0x20:
		return 0x2400 + r // the control pictures block mirrors the C0 codes
	case r == 0x7F:
		return 0x2421
	case r >= 0x80 && r < 0xA0, r == 0x2028, r == 0x2029,
		r >= 0x202A && r <= 0x202E, r >= 0x2066 && r <= 0x2069: // C1 codes, line separators, direction overrides
		return unicode.ReplacementChar
	default:
		return r
	}
}
