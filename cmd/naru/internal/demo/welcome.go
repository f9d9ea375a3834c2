package demo

import (
	"fmt"
	"net"
	"strings"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
	"github.com/naru-rpc/naru/examples/shop/ecommerce"
)

// welcome says what runs, and what can be tried.
func (h *house) welcome(env *cli.Env, addr net.Addr, o options) {
	style := cli.NewStyle(env.ColorOut)
	target, everywhere := reachable(addr)
	security := "plaintext"
	flags := ""
	if h.identity != nil {
		security = "TLS"
		flags = "--ca " + h.identity.caFile
	}
	if everywhere {
		security += ", on every interface"
	}
	kept := h.store.Path()
	if h.store.Temporary() {
		kept += "\n               removed at the end; --data FILE keeps them"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", style.Strong("The shop is open."))
	fmt.Fprintf(&b, "  listening    %s (%s)\n", target, security)
	fmt.Fprintf(&b, "  services     ecommerce.ProductInfo, ecommerce.OrderManagement,\n")
	fmt.Fprintf(&b, "               health checks, reflection\n")
	fmt.Fprintf(&b, "  orders       %s\n", kept)
	if h.identity != nil {
		fmt.Fprintf(&b, "  certificate  %s\n               is the authority that clients have to trust\n", h.identity.caFile)
	}
	fmt.Fprintf(&b, "\n%s\n\n", style.Strong("Try, in another terminal (in a checkout, go run ./cmd/naru stands for naru)"))
	for _, line := range tries(flags, target) {
		fmt.Fprintln(&b, strings.TrimRight("  "+line, " "))
	}
	fmt.Fprintf(&b, "\n%s\n", style.Faint("Ctrl-C ends, after the calls that are under way."))
	fmt.Fprint(env.Stdout, b.String())
}

// tries are command lines for people to copy. Shells of all systems but Windows' take them. flags
// may be empty.
func tries(flags, target string) []string {
	curl := "curl --json '\"102\"' http://" + target
	if flags != "" {
		curl = "curl --cacert" + strings.TrimPrefix(flags, "--ca") + " --json '\"102\"' https://" + target
		target = flags + " " + target
	}
	return []string{
		"naru list " + target,
		"naru call " + target + " getOrder value=102",
		"naru call " + target + " searchOrders value=Google",
		"naru call " + target + ` processOrders '"102" "103" "104" "105"'`,
		"naru call " + target + " addOrder id=-1",
		curl + ecommerce.OrderManagement_GetOrder_FullMethodName,
		"",
		"naru demo --tour          what crosses the wire when a client calls the shop",
	}
}

// reachable returns the address a client on this machine can use, and whether those elsewhere can
// too.
func reachable(addr net.Addr) (target string, everywhere bool) {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return addr.String(), false
	}
	if tcp.IP.IsUnspecified() || len(tcp.IP) == 0 {
		return fmt.Sprintf("localhost:%d", tcp.Port), true
	}
	return addr.String(), false
}
