//go:build race

package interop

// underRace: the race detector makes moving bytes ten times as slow.
const underRace = true
