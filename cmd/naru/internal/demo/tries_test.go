package demo_test

import (
	"bytes"
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
			if len(want) > 0 {
				t.Errorf("no line to try for %v in\n%s", want, s.stdout)
			}
			s.end(0, "Goodbye")
		})
	}
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
