package serviceconfig

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Error is a mistake in a config. Parse and Validate return all they find, joined.
type Error struct {
	// Path is the place: "methodConfig[0].retryPolicy.maxAttempts", "" for the text as a whole.
	Path string
	// Problem says what is wrong there.
	Problem string
}

// Error returns "path: problem".
func (e *Error) Error() string {
	if e.Path == "" {
		return "service config: " + e.Problem
	}
	return "service config: " + e.Path + ": " + e.Problem
}

// maxText bounds each part of an Error: a config may be of any size, and an error of it is logged
// and sent on.
const maxText = 300

func newError(path, problem string) *Error {
	return &Error{Path: shorten(path), Problem: shorten(problem)}
}

// shorten cuts s before a character.
func shorten(s string) string {
	if len(s) <= maxText {
		return s
	}
	return fmt.Sprintf("%s... (%d bytes)", strings.ToValidUTF8(s[:maxText], ""), len(s))
}

// homes says where the keys of a service config belong, for those found elsewhere.
var homes = map[string]string{
	"loadBalancingConfig": "the top level", "loadBalancingPolicy": "the top level", "methodConfig": "the top level",
	"retryThrottling": "the top level", "healthCheckConfig": "the top level", "connectionScaling": "the top level",
	"name": "methodConfig[]", "waitForReady": "methodConfig[]", "timeout": "methodConfig[]",
	"maxRequestMessageBytes": "methodConfig[]", "maxResponseMessageBytes": "methodConfig[]",
	"retryPolicy": "methodConfig[]", "hedgingPolicy": "methodConfig[]",
	"service": "methodConfig[].name[]", "method": "methodConfig[].name[]",
	"maxAttempts":    "methodConfig[].retryPolicy or methodConfig[].hedgingPolicy",
	"initialBackoff": "methodConfig[].retryPolicy", "maxBackoff": "methodConfig[].retryPolicy",
	"backoffMultiplier": "methodConfig[].retryPolicy", "retryableStatusCodes": "methodConfig[].retryPolicy",
	"perAttemptRecvTimeout": "methodConfig[].retryPolicy",
	"hedgingDelay":          "methodConfig[].hedgingPolicy", "nonFatalStatusCodes": "methodConfig[].hedgingPolicy",
	"maxTokens": "retryThrottling", "tokenRatio": "retryThrottling",
	"serviceName":                 "healthCheckConfig",
	"maxConnectionsPerSubchannel": "connectionScaling",
}

// unknownKey explains a key nobody asked for: misspelt, misplaced, or neither.
func unknownKey(key string, known []string) string {
	if near := nearest(key, known); near != "" {
		return fmt.Sprintf("unknown key; did you mean %q?", near)
	}
	if home := homes[key]; home != "" {
		return "unknown key; it belongs into " + home
	}
	if near := nearest(key, slices.Sorted(maps.Keys(homes))); near != "" {
		return fmt.Sprintf("unknown key; did you mean %q, which belongs into %s?", near, homes[near])
	}
	if len(known) == 0 {
		return "unknown key; no keys are known here"
	}
	return "unknown key; known here: " + strings.Join(known, ", ")
}

// nearest returns the candidate that key is most likely a slip of, "" if none is near: other case
// or underscores, or one edit per four letters.
func nearest(key string, candidates []string) string {
	best, bestDist := "", len(key)/4+2
	for _, c := range candidates {
		d := distance(fold(key), fold(c))
		if d < bestDist && d <= max(len(c)/4, 1) {
			best, bestDist = c, d
		}
	}
	return best
}

func fold(s string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(s))
}

// distance is the number of letters to insert, delete, replace or swap with a neighbour to get from
// a to b (optimal string alignment).
func distance(a, b string) int {
	if len(a) > maxKey || len(b) > maxKey {
		return maxKey
	}
	rows := [3][]int{}
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
	}
	for j := range rows[1] {
		rows[1][j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, prev, cur := rows[(i+2)%3], rows[i%3], rows[(i+1)%3]
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], before[j-2]+1)
			}
		}
	}
	return rows[(len(a)+1)%3][len(b)]
}

// maxKey bounds the work spent on a key that is not one.
const maxKey = 64
