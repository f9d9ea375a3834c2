// Package near finds the name that a misspelled one was meant to be.
package near

import "strings"

// Best returns the name that differs least from a misspelled one, without regard to case; "" if all
// differ in more than a third of its letters.
func Best(name string, names []string) string {
	best, least := "", max(2, len(name)/3)+1
	for _, n := range names {
		if far := Distance(strings.ToLower(name), strings.ToLower(n)); far < least {
			best, least = n, far
		}
	}
	return best
}

// Distance returns Levenshtein's distance in bytes: the insertions, deletions and substitutions
// that turn a into b.
func Distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
