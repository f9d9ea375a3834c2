package doctor_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
	"github.com/naru-rpc/naru/cmd/naru/internal/clitest"
	"github.com/naru-rpc/naru/cmd/naru/internal/root"
	"github.com/naru-rpc/naru/narutest"
)

func TestMain(m *testing.M) { narutest.VerifyTestMain(m) }

func TestScripts(t *testing.T) { clitest.Run(t, "testdata/script/*.txtar") }

// setup is a server, what is wrong with it, and how the doctor has to name that.
type setup struct {
	name    string
	start   func(*testing.T) []string // returns the address and flags
	code    int
	check   string
	verdict string
	says    string // part of the evidence
}

// setups are what the doctor has to name. Those of one system, systemSetups, are in files of their
// own.
var setups = []setup{
	{"wrong SAN", wrongSAN, 1, "name", "failure", "the certificate is not for 127.0.0.1; it has: elsewhere.example"},
	{"expired", expired, 1, "certificate", "failure", "expired on"},
	{"unknown authority", unknownAuthority, 1, "chain", "failure", "which --ca does not have"},
	{"mutual TLS", mutualTLS, 1, "tls", "failure", "certificate required"},
	{"no ALPN", noALPN, 1, "alpn", "failure", "does not choose h2"},
	{"HTTP/1.1 proxy", http1Proxy, 1, "http2", "failure", "it answers HTTP/1.1 50"},
	{"HTTP/1.1 nginx", nginx, 1, "http2", "failure", "it answers HTTP/1.1 400 Bad Request, Server: nginx/1.24.0"},
	{"header limit 1 KiB", headerLimit, 0, "metadata", "warning", "takes 1 KiB of metadata"},
	{"strict pings", strictPings, 1, "pings", "warning", "after 2 pings in a row, stricter than gRPC's defaults"},
	{"pings as in grpc-go", defaultPings, 0, "pings", "note", "after 4 pings in a row"},
	{"port closed", closedPort, 1, "connect", "failure", "connection refused"},
	{"silent", silent, 1, "http2", "failure", "nothing answers within 300ms"},
	{"reflection off", noReflection, 0, "reflection", "warning", "the server has no reflection"},
	{"clock ahead", clockAhead, 1, "clock", "failure", "ahead of this machine's"},
	{"certificate from the future", fromTheFuture, 1, "certificate", "failure", "is not valid before"},
	{"stream limit 1", oneStream, 0, "streams", "warning", "allows 1 call at a time"},
	{"message limit 1 KiB", messageLimit, 0, "message", "warning", "of about 10"},
	{"idle cut", cutIdle, 0, "idle", "note", "GOAWAY after"},
}

// examined is the doctor's report in JSON.
type examined struct {
	Findings []struct{ Check, Verdict, Evidence, Advice string }
	Failures int
	Warnings int
}

func examine(t *testing.T, args []string) (examined, int) {
	t.Helper()
	var out, errs strings.Builder
	env := &cli.Env{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Getenv: func(string) string { return "" }}
	code := root.Main(t.Context(), env, append([]string{"doctor", "-o", "json"}, args...))
	var r examined
	if err := json.Unmarshal([]byte(out.String()), &r); err != nil {
		t.Fatalf("%v\n%s%s", err, out.String(), errs.String())
	}
	return r, code
}

func TestSetups(t *testing.T) {
	for _, s := range append(systemSetups, setups...) {
		t.Run(s.name, func(t *testing.T) {
			r, code := examine(t, s.start(t))
			if code != s.code {
				t.Errorf("exit code %d, want %d", code, s.code)
			}
			for _, f := range r.Findings {
				if f.Check == s.check && f.Verdict == s.verdict && strings.Contains(f.Evidence, s.says) && f.Advice != "" {
					return
				}
			}
			t.Errorf("no %s of %s with %q and an advice:\n%+v", s.verdict, s.check, s.says, r)
		})
	}
}

// TestHealthy: a server with nothing wrong gets neither failures nor warnings, with and without
// TLS.
func TestHealthy(t *testing.T) {
	for name, start := range map[string]func(*testing.T) []string{"plaintext": healthy, "TLS": healthyTLS} {
		r, code := examine(t, append(start(t), "--idle", "20ms"))
		if code != 0 || r.Failures+r.Warnings > 0 || len(r.Findings) < 8 {
			t.Errorf("%s: exit code %d\n%+v", name, code, r)
		}
	}
}
