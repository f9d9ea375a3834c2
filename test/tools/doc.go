// Package tools pins the programs of other projects that the suites in test/ build and run: see
// the tool lines of go.mod. It holds no code.
package tools
