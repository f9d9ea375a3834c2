package demo_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/examples/shop/ecommerce"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/status"
)

func dial(t *testing.T, target string, opts ...naru.ClientOption) *naru.Client {
	t.Helper()
	if len(opts) == 0 {
		opts = []naru.ClientOption{naru.WithPlaintext()}
	}
	opts = append(opts, naru.WithLogger(slog.New(slog.DiscardHandler))) // that the server goes away is no news here
	client, err := naru.NewClient(target, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

func getOrder(t *testing.T, client *naru.Client, id string, opts ...naru.CallOption) (*ecommerce.Order, error) {
	return ecommerce.NewOrderManagementClient(client).GetOrder(t.Context(), wrapperspb.String(id), opts...)
}

func TestFirstCall(t *testing.T) {
	s := start(t, "--addr", "127.0.0.1:0")
	client := dial(t, s.target())
	order, err := getOrder(t, client, "102")
	if err != nil || order.GetDestination() != "Mountain View, CA" {
		t.Errorf("order 102: %v, %v", order, err)
	}
	path := regexp.MustCompile(`orders +(\S+shop\.db)\n`).FindStringSubmatch(s.stdout.String())
	if path == nil {
		t.Fatal("it does not say where the orders are")
	}
	if _, err := os.Stat(path[1]); err != nil {
		t.Error(err)
	}
	s.end(0, "Every call has ended. Goodbye.\n")
	if _, err := os.Stat(filepath.Dir(path[1])); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the temporary orders are still there: %v", err)
	}
	if s.stderr.String() != "" {
		t.Errorf("it wrote to stderr:\n%s", s.stderr)
	}
}

func TestRequestIDComesBack(t *testing.T) {
	s := start(t, "--addr", "127.0.0.1:0")
	client := dial(t, s.target())
	var header, trailer metadata.MD
	_, err := getOrder(t, client, "102", naru.WithMetadata("x-request-id", "7"), naru.CaptureHeader(&header), naru.CaptureTrailer(&trailer))
	if err != nil || header.First("x-request-id") != "7" || trailer.First("x-served-by") != "naru demo" {
		t.Errorf("header %v, trailer %v, %v", header, trailer, err)
	}
	if _, err := getOrder(t, client, "102", naru.CaptureHeader(&header)); err != nil || header.First("x-request-id") != "" {
		t.Errorf("a call without an id: header %v, %v, want none back", header, err)
	}
	s.end(0, "Goodbye")
}

func TestDataSurvives(t *testing.T) {
	file := filepath.Join(t.TempDir(), "orders.db")
	s := start(t, "--addr", "127.0.0.1:0", "--data", file)
	client := dial(t, s.target())
	_, err := ecommerce.NewOrderManagementClient(client).AddOrder(t.Context(), &ecommerce.Order{Id: "mine"})
	if err != nil {
		t.Fatal(err)
	}
	s.end(0, "Goodbye")

	s = start(t, "--addr", "127.0.0.1:0", "--data", file)
	if _, err := getOrder(t, dial(t, s.target()), "mine"); err != nil {
		t.Errorf("after a restart: %v", err)
	}
	s.end(0, file)
}

func TestDrainWaits(t *testing.T) {
	s := start(t, "--addr", "127.0.0.1:0")
	client := dial(t, s.target())
	stream, err := ecommerce.NewOrderManagementClient(client).ProcessOrders(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // so that the handler is known to run: a shipment comes back
		if err := stream.Send(wrapperspb.String("105")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	s.interrupt()
	s.stdout.await(t, regexp.MustCompile(`Waiting for 1 call, at most 10s; .*:\n  1 ecommerce.OrderManagement/processOrders\n`))
	// The call under way goes on as if nothing had happened.
	if err := stream.Send(wrapperspb.String("105")); err != nil {
		t.Error(err)
	}
	if err := stream.CloseSend(); err != nil {
		t.Error(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Errorf("a shipment while draining: %v", err)
	}
	if _, err := stream.Recv(); err != io.EOF {
		t.Errorf("the stream ended with %v, want io.EOF", err)
	}
	s.wantEnd(0, "Every call has ended. Goodbye.")
}

func TestDrainGivesUp(t *testing.T) {
	s := start(t, "--addr", "127.0.0.1:0", "--drain", "20ms")
	stream, err := ecommerce.NewOrderManagementClient(dial(t, s.target())).ProcessOrders(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := stream.Send(wrapperspb.String("105")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	s.end(1, "Cut off, because not ended after 20ms: 1 call.")
	if _, err := stream.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("the call that was cut off: %v, want UNAVAILABLE", err)
	}
}

func TestTLS(t *testing.T) {
	s := start(t, "--addr", "127.0.0.1:0", "--tls")
	target := s.target()
	caFile := s.stdout.await(t, regexp.MustCompile(`certificate  (\S+)\n`))[1]
	pem, err := os.ReadFile(caFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		t.Fatalf("no certificate in\n%s", pem)
	}
	_, port, _ := net.SplitHostPort(target)
	for _, host := range []string{"127.0.0.1", "localhost"} {
		client := dial(t, net.JoinHostPort(host, port), naru.WithTLS(&tls.Config{RootCAs: roots}))
		if _, err := getOrder(t, client, "102"); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	if !strings.Contains(s.stdout.String(), "naru list --ca "+caFile+" ") {
		t.Error("the lines to try do not name the certificate")
	}
	s.end(0, "Goodbye")
	if _, err := os.Stat(caFile); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the certificate is still there: %v", err)
	}
}

func TestCallsAreLogged(t *testing.T) {
	s := start(t, "--addr", "127.0.0.1:0", "--log-level", "info")
	if _, err := getOrder(t, dial(t, s.target()), "nobody's"); status.Code(err) != codes.NotFound {
		t.Errorf("err = %v, want NOT_FOUND", err)
	}
	s.stderr.await(t, regexp.MustCompile(`msg=call method=/ecommerce.OrderManagement/getOrder status=NOT_FOUND took=\S+`))
	s.end(0, "Goodbye")
}

func TestMistakes(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"--addr " + taken.Addr().String(), 1, taken.Addr().String() + " is taken: another program listens there"},
		{"--addr nonsense", 2, "--addr nonsense: "},
		{"--addr 127.0.0.1:0 --data missing/shop.db", 1, "open shop data "},
		{"--log-level loud", 2, "--log-level loud: want debug, info, warn, error or off"},
		{"--drain -1s", 2, "--drain -1s: want a time that is not negative"},
		{"--tour --tls", 2, "--tour shows the frames on the wire, which --tls hides"},
		{"now", 2, `naru demo takes no arguments, got "now"`},
		{"--color", 2, "unknown flag: --color"},
	} {
		s := start(t, strings.Fields(c.args)...)
		if got := s.wait(); got != c.code {
			t.Errorf("demo %s: exit code %d, want %d", c.args, got, c.code)
		}
		if !strings.Contains(s.stderr.String(), c.want) {
			t.Errorf("demo %s: stderr\n%s\nwant %q", c.args, s.stderr, c.want)
		}
		if s.stdout.String() != "" {
			t.Errorf("demo %s: stdout is not empty:\n%s", c.args, s.stdout)
		}
	}
}

// process runs the command as a process of its own, until the test ends.
func process(t *testing.T, args ...string) (*exec.Cmd, *screen) {
	t.Helper()
	cmd := exec.Command(os.Args[0], append([]string{"demo", "--addr", "127.0.0.1:0"}, args...)...)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	out := newScreen()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	return cmd, out
}

// TestKilled: an order that was answered survives a process that had no time to close anything.
func TestKilled(t *testing.T) {
	file := filepath.Join(t.TempDir(), "orders.db")
	cmd, out := process(t, "--data", file)
	orders := ecommerce.NewOrderManagementClient(dial(t, out.await(t, listening)[1]))
	if _, err := orders.AddOrder(t.Context(), &ecommerce.Order{Id: "mine"}); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the process was killed and ended well")
	}
	s := start(t, "--addr", "127.0.0.1:0", "--data", file)
	if _, err := getOrder(t, dial(t, s.target()), "mine"); err != nil {
		t.Errorf("after the restart: %v", err)
	}
	s.end(0, "Goodbye")
}

// TestInterrupts runs the command as a process: one interrupt drains it, a second ends it.
func TestInterrupts(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot be interrupted on Windows")
	}
	cmd, out := process(t, "--drain", "10m")
	stream, err := ecommerce.NewOrderManagementClient(dial(t, out.await(t, listening)[1])).ProcessOrders(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := stream.Send(wrapperspb.String("105")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	for _, says := range []string{`Waiting for 1 call`, `Cut off, because interrupted again: 1 call\.`} {
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		out.await(t, regexp.MustCompile(says))
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 130 {
		t.Errorf("it ended with %v, want exit code 130", err)
	}
}
