package outside

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// An interopCase is a case of grpc's interop tests, under the name every implementation's client
// takes as --test_case.
type interopCase struct {
	name string
	// needs says what the peers must have. Empty: every implementation has it.
	needs need
}

type need string

const (
	// grpc-go's client reads ORCA load reports in a balancer of its own, chosen by service config.
	needOrca need = "orca"
	// grpc-go's server does not fill in its id.
	needServerID need = "server id"
	// grpc-go's server ignores expect_compressed and response_compressed, its client does not
	// have the cases.
	needCompression need = "compression"
	// Cases of the description that grpc-go's client does not have. Its server can do half_duplex
	// and concurrent_large_unary, and does not have the method for the third.
	needMoreCases     need = "more cases"
	needCacheableCall need = "cacheable call"
)

var interopCases = []interopCase{
	{"empty_unary", ""},
	{"large_unary", ""},
	{"client_streaming", ""},
	{"server_streaming", ""},
	{"ping_pong", ""},
	{"empty_stream", ""},
	{"timeout_on_sleeping_server", ""},
	{"cancel_after_begin", ""},
	{"cancel_after_first_response", ""},
	{"status_code_and_message", ""},
	{"special_status_message", ""},
	{"custom_metadata", ""},
	{"unimplemented_method", ""},
	{"unimplemented_service", ""},
	{"rpc_soak", ""},
	{"channel_soak", ""},
	{"orca_per_rpc", needOrca},
	{"orca_oob", needOrca},
	{"pick_first_unary", needServerID},
	{"client_compressed_unary", needCompression},
	{"server_compressed_unary", needCompression},
	{"client_compressed_streaming", needCompression},
	{"server_compressed_streaming", needCompression},
	{"half_duplex", needMoreCases},
	{"concurrent_large_unary", needMoreCases},
	{"cacheable_unary", needCacheableCall},
}

// orcaConfig selects the balancer that grpc-go's client reads load reports with.
const orcaConfig = `{"loadBalancingConfig":[{"test_backend_metrics_load_balancer":{}}]}`

// An interopPair is a client program against a server program.
type interopPair struct {
	role           string
	client, server string
	without        []need
}

var interopPairs = []interopPair{
	{"grpc-go client, naru server", "grpcgo-interop-client", "interopserver", []need{needCompression, needMoreCases, needCacheableCall}},
	{"naru client, grpc-go server", "interopclient", "grpcgo-interop-server", []need{needCompression, needServerID, needCacheableCall}},
	{"naru client, naru server", "interopclient", "interopserver", nil},
}

// Interop runs grpc's interop cases, each pair of programs in plaintext and over TLS.
func Interop(ctx context.Context, t *Tree) []*Result {
	var results []*Result
	for _, pair := range interopPairs {
		for _, tls := range []bool{false, true} {
			results = append(results, t.interop(ctx, pair, tls))
		}
	}
	return results
}

func (t *Tree) interop(ctx context.Context, pair interopPair, tls bool) *Result {
	r := &Result{Suite: "grpc-go v1.85.0 interop", Role: pair.role + ", plaintext"}
	serverArgs := []string{"--port={port}"}
	if tls {
		r.Role = pair.role + ", TLS"
		serverArgs = append(serverArgs, "--use_tls")
	}
	if r.Err = t.build(ctx, pair.client, pair.server); r.Err != nil {
		return r
	}
	fmt.Fprintf(t.Log, "interop, %s\n", r.Role)
	began := time.Now()
	server, err := t.start(ctx, pair.server, serverArgs...)
	if err != nil {
		r.Err = err
		return r
	}
	defer server.Stop()
	for _, c := range interopCases {
		if pair.lacks(c.needs) {
			continue // not a case of this pair: neither program has a failing test hidden by it
		}
		if out, err := t.interopCase(ctx, pair.client, server.Port, c, tls); err != nil {
			r.fail("%s: %v\n%s", c.name, err, tail(out, 2000))
			continue
		}
		r.Passed++
	}
	r.Took = time.Since(began)
	if r.Err == nil {
		r.Err = server.Alive()
	}
	return r
}

// interopCase runs one case, with more flags. The certificates are the ones that grpc's interop
// programs of all languages share, made out to *.test.google.fr.
func (t *Tree) interopCase(ctx context.Context, client string, port int, c interopCase, tls bool, more ...string) (string, error) {
	// An address, not a name: with a name grpc-go's client asks DNS for its configuration first,
	// which takes seconds where no name server answers.
	args := []string{"--server_host=127.0.0.1", "--server_port=" + strconv.Itoa(port), "--test_case=" + c.name}
	if tls {
		args = append(args, "--use_tls", "--use_test_ca", "--server_host_override=foo.test.google.fr")
	}
	if c.needs == needOrca && strings.HasPrefix(client, "grpcgo") {
		args = append(args, "--service_config_json="+orcaConfig)
	}
	if strings.HasSuffix(c.name, "_soak") {
		// The default is one second, which a machine that is busy otherwise now and then exceeds.
		args = append(args, "--soak_iterations=100", "--soak_num_threads=4",
			"--soak_per_iteration_max_acceptable_latency_ms=5000", "--soak_overall_timeout_seconds=50")
	}
	args = append(args, more...)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	out, err := t.run(ctx, client, args...)
	if ctx.Err() == context.DeadlineExceeded {
		err = fmt.Errorf("no end within a minute: %w", err)
	}
	if _, failed := err.(*exec.ExitError); failed {
		err = fmt.Errorf("the client says it failed: %w", err)
	}
	return out, err
}

func (p *interopPair) lacks(n need) bool {
	for _, w := range p.without {
		if w == n && n != "" {
			return true
		}
	}
	return false
}
