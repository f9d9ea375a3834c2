package matrix

import (
	"crypto/tls"
	"flag"
	"fmt"
	"net"
	"os"
	"regexp"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/naru-rpc/naru/narutest"
	"github.com/naru-rpc/naru/test/internal/pair"
)

// rows are run if their name, as the table of failures shows it, matches.
var rows = flag.String("rows", "", "run rows that match this regular `expression`")

var selected *regexp.Regexp // set before the tests run

func TestMain(m *testing.M) {
	flag.Parse()
	selected = regexp.MustCompile(*rows)
	narutest.VerifyTestMain(m)
}

// A transport is what lies between client and server.
type transport string

const (
	plain     transport = "plain"
	secure    transport = "TLS"
	inProcess transport = "in-process"
)

// A combination is who calls whom over what.
type combination struct {
	client, server pair.Stack
	transport      transport
}

// combinations are all there are: in-process is naru's alone.
func combinations() (all []combination) {
	for _, tr := range []transport{plain, secure} {
		for _, s := range pair.Stacks {
			for _, c := range pair.Stacks {
				all = append(all, combination{c, s, tr})
			}
		}
	}
	return append(all, combination{pair.Naru, pair.Naru, inProcess})
}

func (c combination) String() string {
	return fmt.Sprintf("%s to %s, %s", c.client.Name, c.server.Name, c.transport)
}

// security is what the TLS rows use.
type security struct{ server, client *tls.Config }

func newSecurity(t *testing.T) security {
	t.Helper()
	server, client, err := pair.Certificates()
	if err != nil {
		t.Fatal(err)
	}
	return security{server, client}
}

// serve starts the combination's server.
func (c combination) serve(t *testing.T, sec security, cfg pair.ServerConfig) *pair.Running {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Listener = lis
	if c.transport == secure {
		cfg.TLS = sec.server
	}
	srv, err := c.server.Serve(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return srv
}

// dial makes a client of the combination.
func (c combination) dial(sec security, cfg pair.ClientConfig) (pair.ClientConn, error) {
	switch c.transport {
	case inProcess:
		return pair.DialInProcess(cfg)
	case secure:
		cfg.TLS = sec.client
	}
	return c.client.Dial(cfg)
}

// A failure is a row that did not end as it has to.
type failure struct{ row, got, want, why string }

// failures of a test, printed as one table.
type failures []failure

func (f *failures) add(row, got, want, why string) {
	*f = append(*f, failure{row, strings.ReplaceAll(got, "\n", " "), want, why})
}

// report fails the test if there are any.
func (f failures) report(t *testing.T, rows int) {
	t.Helper()
	if len(f) == 0 {
		t.Logf("%d rows", rows)
		return
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "combination\tgot\twant\twhy")
	for _, x := range f {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", x.row, x.got, x.want, x.why)
	}
	w.Flush()
	t.Errorf("%d of %d rows failed:\n%s", len(f), rows, b.String())
	if os.Getenv("MATRIX_TABLE") != "" {
		_ = os.WriteFile(os.Getenv("MATRIX_TABLE"), []byte(b.String()), 0o644)
	}
}
