// Command interopclient runs one case of gRPC's interoperability tests with naru's client, against
// any implementation's interop server. The flags are those of grpc-go's client. It exits with 0 if
// the case passed and 1 if not.
//
//	interopclient --server_host localhost --server_port 10000 --test_case ping_pong
//	interopclient --server_port 10000 --tls --use_test_ca --server_host_override foo.test.google.fr
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/test/internal/interop"
	"google.golang.org/grpc/testdata"
)

type config struct {
	host, hostOverride string
	port               int
	testCase           string
	tls, testCA        bool
	caFile             string
	metadata           string
	soak               interop.Soak
	maxLatencyMS       int
	overallSeconds     int
	minIntervalMS      int
}

func main() {
	c := parseFlags()
	if err := run(c); err != nil {
		fmt.Fprintln(os.Stderr, "interopclient:", err)
		os.Exit(1)
	}
	fmt.Fprintln(os.Stderr, "interopclient: passed", c.testCase)
}

func parseFlags() *config {
	c := &config{}
	flag.StringVar(&c.host, "server_host", "localhost", "`host` of the server")
	flag.IntVar(&c.port, "server_port", 10000, "`port` of the server")
	flag.StringVar(&c.testCase, "test_case", "large_unary", "`case` to run: "+strings.Join(interop.Cases(), ", "))
	flag.BoolVar(&c.tls, "tls", false, "use TLS instead of plaintext")
	flag.BoolVar(&c.tls, "use_tls", false, "the same as -tls")
	flag.BoolVar(&c.testCA, "use_test_ca", false, "trust the CA of -ca_file instead of the system's")
	flag.StringVar(&c.caFile, "ca_file", "", "PEM `file` with that CA; default: the one of gRPC's tests")
	flag.StringVar(&c.hostOverride, "server_host_override", "", "`name` to expect in the server's certificate and to send as authority; default: -server_host")
	flag.StringVar(&c.metadata, "additional_metadata", "", "`pairs` to send with each call, as key:value;key:value")
	flag.IntVar(&c.soak.Iterations, "soak_iterations", 10, "calls of a soak case")
	flag.IntVar(&c.soak.Threads, "soak_num_threads", 1, "threads of a soak case")
	flag.IntVar(&c.soak.MaxFailures, "soak_max_failures", 0, "calls of a soak case that may fail or be too slow")
	flag.IntVar(&c.maxLatencyMS, "soak_per_iteration_max_acceptable_latency_ms", 1000, "`milliseconds` after which a call of a soak case is too slow")
	flag.IntVar(&c.overallSeconds, "soak_overall_timeout_seconds", 10, "`seconds` after which a soak case fails")
	flag.IntVar(&c.minIntervalMS, "soak_min_time_ms_between_rpcs", 0, "`milliseconds` at least between two calls of a thread")
	flag.IntVar(&c.soak.Request, "soak_request_size", 271828, "`bytes` of a soak request")
	flag.IntVar(&c.soak.Response, "soak_response_size", 314159, "`bytes` of a soak response")
	flag.Parse()
	c.soak.MaxLatency = time.Duration(c.maxLatencyMS) * time.Millisecond
	c.soak.Overall = time.Duration(c.overallSeconds) * time.Second
	c.soak.MinInterval = time.Duration(c.minIntervalMS) * time.Millisecond
	c.soak.Log = os.Stderr
	return c
}

func run(c *config) error {
	opts, err := c.clientOptions()
	if err != nil {
		return err
	}
	target := net.JoinHostPort(c.host, strconv.Itoa(c.port))
	peer := interop.Peer{
		Dial: func(more ...naru.ClientOption) (*naru.Client, error) {
			return naru.NewClient(target, slices.Concat(opts, more)...)
		},
		Soak: c.soak,
	}
	return interop.Run(context.Background(), peer, c.testCase)
}

func (c *config) clientOptions() ([]naru.ClientOption, error) {
	var opts []naru.ClientOption
	if pairs := splitMetadata(c.metadata); len(pairs) > 0 {
		opts = append(opts, naru.WithMetadata(pairs...))
	}
	if !c.tls {
		return append(opts, naru.WithPlaintext()), nil
	}
	config := &tls.Config{ServerName: c.hostOverride}
	if c.testCA {
		if c.caFile == "" {
			c.caFile = testdata.Path("ca.pem")
		}
		pem, err := os.ReadFile(c.caFile)
		if err != nil {
			return nil, fmt.Errorf("CA: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("CA: no certificate in %s", c.caFile)
		}
	}
	return append(opts, naru.WithTLS(config)), nil
}

// splitMetadata reads key:value;key:value. A value may contain anything but semicolons.
func splitMetadata(s string) []string {
	var pairs []string
	for part := range strings.SplitSeq(s, ";") {
		if key, value, ok := strings.Cut(part, ":"); ok {
			pairs = append(pairs, key, value)
		}
	}
	return pairs
}
