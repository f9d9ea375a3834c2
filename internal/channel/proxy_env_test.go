package channel

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestEnvironmentProxy: HTTPS_PROXY and NO_PROXY decide (gRFC A1). They are read once, so that a
// process of its own has to.
func TestEnvironmentProxy(t *testing.T) {
	hosts := []string{"shop.example:443", "db.internal.example:443", "10.1.2.3:50051", "192.0.2.1:50051", "localhost:50051"}
	const want = "http://user:secret@proxy.example:3128 direct direct http://user:secret@proxy.example:3128 direct"
	const told = "NARU_TEST_PROXY"
	if os.Getenv(told) != "" {
		for _, h := range hosts {
			switch u, err := EnvironmentProxy(h); {
			case err != nil:
				fmt.Println("answer:", err)
			case u == nil:
				fmt.Println("answer:", "direct")
			default:
				fmt.Println("answer:", u.String())
			}
		}
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestEnvironmentProxy$", "-test.v")
	cmd.Env = append(os.Environ(), told+"=1", "HTTPS_PROXY=http://user:secret@proxy.example:3128",
		"https_proxy=http://user:secret@proxy.example:3128", "NO_PROXY=.internal.example,10.0.0.0/8", "no_proxy=.internal.example,10.0.0.0/8")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(out)) {
		if a, ok := strings.CutPrefix(strings.TrimSpace(line), "answer: "); ok {
			got = append(got, a)
		}
	}
	if s := strings.Join(got, " "); s != want {
		t.Errorf("proxies of %v:\n got  %s\n want %s", hosts, s, want)
	}
}
