// Command outside runs other projects' suites against naru and prints what they found: connectrpc
// conformance, h2spec, grpc-go's interop programs, grpcurl and, if asked for, gRPC in Python, Node,
// C++ and Java, and load balancers in between. It needs a checkout with its go.work and, the first
// time, the module proxy. It exits with 1 if any case failed or any suite could not be run, else
// with 0.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/naru-rpc/naru/test/internal/outside"
)

// A suite is run by its name; without names, those that need only Go are run.
type suite struct {
	name   string
	run    func(context.Context, *outside.Tree) []*outside.Result
	onlyGo bool
}

var suites = []suite{
	{"conformance", outside.Conformance, true},
	{"h2spec", outside.H2Spec, true},
	{"interop", outside.Interop, true},
	{"grpcurl", outside.GRPCurl, true},
	{"python", outside.Optional(outside.Python), false},
	{"node", outside.Optional(outside.Node), false},
	{"cpp", outside.Optional(outside.CPP), false},
	{"java", outside.Optional(outside.Java), false},
	{"proxies", outside.Optional(outside.Proxies), false},
	{"connect", outside.Optional(outside.Connect), false},
	{"browser", outside.Optional(outside.Browser), false},
	{"sizes", outside.Optional(outside.Sizes), false},
	{"rich", outside.Optional(outside.Rich), false},
}

func main() {
	var names, normally []string
	for _, s := range suites {
		names = append(names, s.name)
		if s.onlyGo {
			normally = append(normally, s.name)
		}
	}
	list := flag.String("suites", strings.Join(normally, ","), "comma-separated `names` of the suites to run, of "+strings.Join(names, ", "))
	verbose := flag.Bool("v", false, "print everything the programs write")
	flag.Parse()
	if err := run(strings.Split(*list, ","), *verbose); err != nil {
		fmt.Fprintln(os.Stderr, "outside:", err)
		os.Exit(1)
	}
}

func run(names []string, verbose bool) error {
	for _, name := range names {
		if !slices.ContainsFunc(suites, func(s suite) bool { return s.name == name }) {
			return fmt.Errorf("no suite %q; see -h", name)
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	tree, err := outside.FindTree(os.Stderr)
	if err != nil {
		return err
	}
	tree.Verbose = verbose
	var results []*outside.Result
	for _, s := range suites {
		if slices.Contains(names, s.name) {
			results = append(results, s.run(ctx, tree)...)
		}
	}
	if !outside.WriteTable(os.Stdout, results) {
		return fmt.Errorf("not everything passed")
	}
	return nil
}
