package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"
)

// environment reports proxies that the environment asks for: connections of gRPC clients go through
// them.
func (e *examination) environment() {
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"} {
		if value := e.env.Getenv(name); value != "" {
			e.add("environment", note, "gRPC clients connect through this proxy; the checks here do not. NO_PROXY lists hosts to reach directly",
				"%s is set", name)
			return
		}
	}
}

// maxAddresses bounds how many addresses of a host are connected to.
const maxAddresses = 16

// reach resolves the address and connects to everything it resolves to. It returns false if nothing
// accepts.
func (e *examination) reach(ctx context.Context, network, address string) bool {
	if network == "unix" {
		return e.connect(ctx, network, address)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		e.add("resolve", failure, "write host:port", "%v", err)
		return false
	}
	addrs := e.resolve(ctx, host)
	if len(addrs) > maxAddresses {
		e.add("resolve", note, "", "connecting to the first %d addresses only", maxAddresses)
		addrs = addrs[:maxAddresses]
	}
	reached := false
	for _, a := range addrs {
		if e.connect(ctx, "tcp", net.JoinHostPort(a, port)) {
			reached = true
		}
	}
	return reached
}

func (e *examination) resolve(ctx context.Context, host string) []string {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []string{addr.String()}
	}
	start := time.Now()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		advice := "check the spelling, and the DNS server of this machine"
		var dns *net.DNSError
		if errors.As(err, &dns) && dns.IsNotFound {
			advice = "check the spelling; inside a cluster, the name may need its namespace (shop.default.svc.cluster.local)"
		}
		e.add("resolve", failure, advice, "%s has no address: %v", host, err)
		return nil
	}
	var texts []string
	for _, a := range addrs {
		texts = append(texts, a.Unmap().String())
	}
	e.add("resolve", good, "", "%s is %s (%v)", host, strings.Join(texts, ", "), short(time.Since(start)))
	return texts
}

// connect opens and closes one connection.
func (e *examination) connect(ctx context.Context, network, address string) bool {
	limit := e.config.endpoint.ConnectTimeout
	dialCtx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	start := time.Now()
	conn, err := new(net.Dialer).DialContext(dialCtx, network, address)
	if err == nil {
		conn.Close()
		e.add("connect", good, "", "%s accepts connections (%v)", address, short(time.Since(start)))
		if e.address == "" {
			e.network, e.address = network, address
		}
		return true
	}
	v := failure
	if e.address != "" {
		v = warning // another address works
	}
	what, advice := connectFault(err, limit)
	e.add("connect", v, advice, "%s: %s", address, what)
	return false
}

// connectFault says in words why a connection could not be made.
func connectFault(err error, limit time.Duration) (what, advice string) {
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused: nothing listens on the port", "start the server, or correct the port; a server that listens on localhost only is refused from other machines"
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Sprintf("no answer within %v: packets to the address are dropped", limit), "a firewall, security group or wrong route swallows them: check the rules between here and the server"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return err.Error(), "this machine has no route there: check the address family (IPv4 or IPv6), VPN and routes"
	case errors.Is(err, os.ErrNotExist):
		return "the socket does not exist", "start the server, or correct the path"
	case errors.Is(err, os.ErrPermission):
		return err.Error(), "give this user access to the socket"
	}
	return err.Error(), "check the address, and that the server runs"
}

// short rounds a duration for people.
func short(d time.Duration) time.Duration {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond)
	case d >= 10*time.Millisecond:
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(10 * time.Microsecond)
}
