//go:build !race

package naru_test

// raceEnabled: the tests run under the race detector.
const raceEnabled = false
