// Package chaos makes many calls of every kind at once, with everything that may happen to a call:
// retries, hedging, deadlines, cancellation, compression, connections that break or are drained.
// What a call may end with is computed from what was done to it, so that a wrong status fails as a
// wrong byte does.
package chaos
