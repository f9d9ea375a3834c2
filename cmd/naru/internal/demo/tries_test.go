package demo_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
	"github.com/naru-rpc/naru/cmd/naru/internal/root"
)

// Each line that the demo says to try works as it stands there, without and with TLS.
func TestTries(t *testing.T) {
	for name, flags := range map[string][]string{"plaintext": nil, "TLS": {"--tls"}} {
		t.Run(name, func(t *testing.T) {
			s := start(t, append(flags, "--addr", "127.0.0.1:0")...)
			s.target()
			s.stdout.await(t, regexp.MustCompile(`Ctrl-C`))
			want := map[string]string{
				"list":          "ecommerce.ProductInfo",
				"getOrder":      "Mountain View, CA",
				"searchOrders":  "Google",
				"processOrders": "ordersList",
				"addOrder":      "",
			}
			for _, line := range regexp.MustCompile(`(?m)^  naru (list|call) .*$`).FindAllString(s.stdout.String(), -1) {
				args := shellWords(line)[1:]
				stdout, stderr, code := try(t, args)
				for verb, text := range want {
					if !strings.Contains(line, verb) {
						continue
					}
					delete(want, verb)
					wantCode := 0
					if verb == "addOrder" {
						wantCode = cli.ExitStatus + 3 // INVALID_ARGUMENT, as the demo means to show
					}
					if code != wantCode || !strings.Contains(stdout, text) {
						t.Errorf("%s\nexit code %d, want %d with %q in\n%s%s", line, code, wantCode, text, stdout, stderr)
					}
				}
			}
			if got := tryCurl(t, s.stdout.String()); !strings.Contains(got, "Mountain View, CA") {
				t.Errorf("what curl is told to ask is answered with %q", got)
			}
			if len(want) > 0 {
				t.Errorf("no line to try for %v in\n%s", want, s.stdout)
			}
			s.end(0, "Goodbye")
		})
	}
}

// tryCurl does what curl would on the line that begins with it.
func tryCurl(t *testing.T, welcome string) string {
	t.Helper()
	line := regexp.MustCompile(`(?m)^  curl (?:--cacert (\S+) )?--json '(.*)' (\S+)$`).FindStringSubmatch(welcome)
	if line == nil {
		t.Fatalf("no line for curl in\n%s", welcome)
	}
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: x509.NewCertPool()}}
	defer tr.CloseIdleConnections()
	if line[1] != "" {
		ca, err := os.ReadFile(line[1])
		if err != nil {
			t.Fatal(err)
		}
		tr.TLSClientConfig.RootCAs.AppendCertsFromPEM(ca)
	}
	res, err := (&http.Client{Transport: tr}).Post(line[3], "application/json", strings.NewReader(line[2]))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func try(t *testing.T, args []string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	env := &cli.Env{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Dir: t.TempDir(), Getenv: os.Getenv}
	code = root.Main(t.Context(), env, args)
	return out.String(), errs.String(), code
}

// shellWords splits a line at spaces, except within single quotes.
func shellWords(line string) []string {
	var words []string
	for _, w := range regexp.MustCompile(`'[^']*'|[^ ]+`).FindAllString(line, -1) {
		words = append(words, strings.Trim(w, "'"))
	}
	return words
}
