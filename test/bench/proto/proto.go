// Package proto holds the text of the benchmarks' .proto file, for programs that compile it
// themselves.
package proto

import _ "embed"

// Echo is naru/bench/v1/echo.proto.
//
//go:embed naru/bench/v1/echo.proto
var Echo string
