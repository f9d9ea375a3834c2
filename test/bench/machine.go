package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/naru-rpc/naru/test/bench/cpp"
	"github.com/naru-rpc/naru/test/bench/echo"
)

// machine says what the figures were taken on and with.
type machine struct {
	When       string   `json:"when"`
	Processor  string   `json:"processor"`
	Processors int      `json:"processors"`
	System     string   `json:"system"`
	Go         string   `json:"go"`
	Versions   []string `json:"versions"`
	// Load is the load average before the run: above 0.3 someone else was at work.
	Load string `json:"load"`
}

func describeMachine(b *bench) machine {
	m := machine{
		When:       time.Now().UTC().Format("2006-01-02"),
		Processor:  "unknown processor",
		Processors: runtime.NumCPU(),
		System:     runtime.GOOS + "/" + runtime.GOARCH,
		Go:         runtime.Version(),
		Load:       "unknown",
	}
	if data, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, rest, ok := strings.Cut(string(data), "model name"); ok {
			name, _, _ := strings.Cut(rest, "\n")
			m.Processor = strings.TrimSpace(strings.TrimLeft(name, "\t :"))
		}
	}
	if data, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.System += ", kernel " + strings.TrimSpace(string(data))
	}
	// bbr spaces out packets even on loopback and hides differences between stacks that move
	// megabytes.
	if data, err := os.ReadFile("/proc/sys/net/ipv4/tcp_congestion_control"); err == nil {
		m.System += ", TCP " + strings.TrimSpace(string(data))
	}
	if data, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load, _, _ = strings.Cut(string(data), " ")
	}
	if out, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output(); err == nil {
		m.Versions = append(m.Versions, "naru "+strings.TrimSpace(string(out)))
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			switch dep.Path {
			case "google.golang.org/grpc", "connectrpc.com/connect", "google.golang.org/protobuf":
				m.Versions = append(m.Versions, dep.Path+" "+dep.Version)
			}
		}
	}
	if b.skipped[echo.CPP] == nil {
		m.Versions = append(m.Versions, "gRPC C++ "+cpp.Version())
	}
	if b.h2load != "" {
		if out, err := exec.Command(b.h2load, "--version").Output(); err == nil {
			m.Versions = append(m.Versions, strings.TrimSpace(string(out)))
		}
	}
	return m
}

// String is the machine in one line.
func (m machine) String() string {
	return fmt.Sprintf("%s: %s, %d processors, %s, %s; %s; load average %s before",
		m.When, m.Processor, m.Processors, m.System, m.Go, strings.Join(m.Versions, ", "), m.Load)
}

func (m machine) markdown() string {
	return fmt.Sprintf("Measured %s on %s, %d processors, %s, %s, loopback, load average %s before the run; %s.",
		m.When, m.Processor, m.Processors, m.System, m.Go, m.Load, strings.Join(m.Versions, ", "))
}
