// Package test is the root of the module that holds naru against other implementations: their
// conformance suites, their peers, their benchmarks. It has no code itself; see its folders.
package test

//go:generate go run ./internal/generate
