// Package metadata holds the key-value pairs that travel beside messages.
package metadata

// MD maps lower-case keys to their values.
type MD map[string][]string
