package decode_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
	"github.com/naru-rpc/naru/cmd/naru/internal/decode/recorded"
	"github.com/naru-rpc/naru/cmd/naru/internal/root"
)

func decode(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs strings.Builder
	env := &cli.Env{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Dir: t.TempDir(), Getenv: func(string) string { return "" }}
	code = root.Main(t.Context(), env, append([]string{"decode"}, args...))
	return out.String(), errs.String(), code
}

// proto is as much of the health service as names its messages.
const proto = `syntax = "proto3";
package grpc.health.v1;
message HealthCheckRequest { string service = 1; }
message HealthCheckResponse { enum ServingStatus { UNKNOWN = 0; SERVING = 1; } ServingStatus status = 1; }
service Health { rpc Check(HealthCheckRequest) returns (HealthCheckResponse); }
`

// TestCapture explains recorded traffic as a capture file, with the types from a schema.
func TestCapture(t *testing.T) {
	toServer, toClient := recorded.Traffic(t)
	dir := t.TempDir()
	file, schema := filepath.Join(dir, "c.pcapng"), filepath.Join(dir, "health.proto")
	if err := os.WriteFile(file, recorded.File(recorded.Conversation(toServer, toClient, recorded.Ethernet), recorded.Ethernet, true), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(schema, []byte(proto), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errs, code := decode(t, file, "--proto", schema)
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	for _, part := range []string{
		"connection 127.0.0.1:40000 -> 127.0.0.2:50051", "-> connection preface", "-> HEADERS stream=1",
		":path: /grpc.health.v1.Health/Check  [indexed", "1 status: grpc.health.v1.HealthCheckResponse.ServingStatus SERVING (1)",
		"grpc-status: 5", "compressed message of", "1 service: string, 3000 bytes",
	} {
		if !strings.Contains(out, part) {
			t.Errorf("no %q in\n%.6000s", part, out)
		}
	}
	out, _, code = decode(t, file, "-o", "json")
	var r struct {
		Connections []struct{ Events []json.RawMessage }
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != 0 || len(r.Connections) != 1 || len(r.Connections[0].Events) < 4*recorded.Calls {
		t.Errorf("JSON: exit code %d, %v, %+v", code, err, r)
	}
	// The other forms of input: one direction, from its beginning and from the middle.
	one := filepath.Join(dir, "one.bin")
	for _, in := range [][]byte{toServer, toServer[300:]} {
		if err := os.WriteFile(one, in, 0o600); err != nil {
			t.Fatal(err)
		}
		out, _, _ := decode(t, one, "--as", "http2", "--proto", schema)
		if !strings.Contains(out, "HEADERS stream=") || !strings.Contains(out, "message of") {
			t.Errorf("one direction:\n%.2000s", out)
		}
	}
	if err := os.WriteFile(one, bytes.Repeat([]byte("GET / HTTP/1.1\r\n\r\n"), 3), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, errs, code := decode(t, one); code != 1 || errs == "" {
		t.Errorf("HTTP/1.1: exit code %d, %s", code, errs)
	}
}

// TestTLSCapture: what cannot be read is named.
func TestTLSCapture(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tls.pcap")
	c := recorded.Conversation([]byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), []byte("\x16\x03\x03\x00\x7a\x02"), recorded.SLL)
	if err := os.WriteFile(file, recorded.File(c, recorded.SLL, false), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, _, code := decode(t, file); code != 1 || !strings.Contains(out, "SSLKEYLOGFILE") {
		t.Errorf("exit code %d\n%s", code, out)
	}
}
