//go:build !race

package peers

// underRace: the race detector makes moving bytes ten times as slow.
const underRace = false
