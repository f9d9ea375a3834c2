// Package hostile attacks naru servers and clients with peers that break the rules of HTTP/2 and
// gRPC, or keep to them and mean harm: the classes that took down other implementations, one table
// row each. A row asserts what the reaction is, that heap and goroutines stay bounded while ten
// peers attack, and that the calls of a well-behaved client succeed meanwhile.
//
// In ordinary tests an attack lasts a fraction of a second, and its effect on others' latency
// is reported only. `make hostile` attacks longer and asserts it:
//
//	go test -count=1 -v ./hostile -args -attack 4s -latency
//
// Attackers run in a process of their own: this test binary, started again with a class's name in
// its environment (crew_test.go).
//
// Goroutines: each test starts a server, a caller and a sampler, the child ten attackers with a
// reader each; whoever started them waits for all of them, and the test for the child.
package hostile
