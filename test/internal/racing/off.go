//go:build !race

// Package racing tells whether the race detector is on, which makes everything several times as
// slow and as large: tests of amounts and times say less then, and do less.
package racing

// Enabled reports whether the program was built with -race.
const Enabled = false
