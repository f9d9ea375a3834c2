// Package layers holds the tests that keep the code base in its shape: imports run down only, the
// runtime depends on almost nothing, internal/h2 stays pure, every exported identifier is
// documented. The rules stand in table_test.go, each with its reason; nothing here is linked
// into a program.
package layers
