//go:build !race

package auth_test

// raceEnabled: the tests run under the race detector.
const raceEnabled = false
