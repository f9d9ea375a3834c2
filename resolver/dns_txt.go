package resolver

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"strings"

	"github.com/naru-rpc/naru/serviceconfig"
)

// txtConfig looks for service configs in TXT records (gRFC A2). Used by one goroutine at a time.
type txtConfig struct {
	name   string
	parse  func(string) (*serviceconfig.Config, error)
	client serviceconfig.Client

	text   string                // of the last good answer
	config *serviceconfig.Config // of the last good answer; nil: it was "none"
}

// gRFC A2: "The TXT record will be for a DNS name that is the same as the gRPC server name, but
// with the prefix _grpc_config."
const (
	txtPrefix    = "_grpc_config."
	txtAttribute = "grpc_config="
)

func newTXTConfig(host string, parse func(string) (*serviceconfig.Config, error)) *txtConfig {
	hostname, err := os.Hostname()
	if err != nil {
		hostname = "" // matches no choice that asks for a name
	}
	return &txtConfig{
		name:  txtPrefix + host,
		parse: parse,
		// Drawn once per client: a canary stays one.
		client: serviceconfig.Client{Language: "go", Hostname: hostname, Percentile: rand.IntN(100)},
	}
}

// lookup sets the state's config. A record that is not there means none; a server that does not
// answer changes nothing, because what it said before is the better guess.
func (t *txtConfig) lookup(ctx context.Context, d *dnsLookup, st *State) {
	ctx, cancel := context.WithTimeout(ctx, txtTimeout)
	defer cancel()
	records, err := d.net.LookupTXT(ctx, t.name)
	var dns *net.DNSError
	switch {
	case err == nil:
		st.ServiceConfigErr = t.read(records)
	case errors.As(err, &dns) && dns.IsNotFound:
		t.text, t.config = "", nil
	default:
		d.log.Info("looking for a service config failed", "name", t.name, "error", err)
	}
	st.ServiceConfig = t.config
}

func (t *txtConfig) read(records []string) error {
	var choices string
	for _, r := range records {
		if rest, ok := strings.CutPrefix(r, txtAttribute); ok {
			choices = rest
			break
		}
	}
	if choices == t.text {
		return nil
	}
	if choices == "" {
		t.text, t.config = "", nil
		return nil
	}
	text, err := serviceconfig.Choose(choices, t.client)
	if err != nil {
		return err
	}
	var config *serviceconfig.Config
	if text != "" {
		if config, err = t.parse(text); err != nil {
			return err
		}
	}
	t.text, t.config = choices, config
	return nil
}
