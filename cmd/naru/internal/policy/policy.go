// Package policy is the verb "naru policy": checks policies, and says what they decide.
package policy

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/naru-rpc/naru/auth"
	"github.com/naru-rpc/naru/auth/policy"
	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
)

const long = `Check a policy of package auth/policy (gRFC A43's JSON), and say which of its rules decides for a call.

"naru policy check" reads files as a server would. "naru policy explain" prints the decision for a method and a caller, and why the
rules before it do not match.`

const example = `  naru policy check policy.json
  naru policy explain policy.json shop.Products/Delete --principal spiffe://example.com/web --group staff`

// New returns the verb.
func New(env *cli.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "policy",
		Short:   "Check authorization policies, and say what they decide",
		Long:    long,
		Example: example,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return cli.WithHint(cli.Usagef("naru policy has no command %q", args[0]), "want check or explain")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newCheck(env), newExplain(env))
	return cmd
}

func newCheck(env *cli.Env) *cobra.Command {
	return &cobra.Command{
		Use:     "check file...",
		Short:   "Read policies as a server would",
		Long:    "Read policies as a server would, and say what is wrong with them.\n\nExit codes: 0 they are all right; 1 one is not; 2 the command line is wrong.",
		Example: "  naru policy check policy.json",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cli.Usagef("which policy? Give its file")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			failed := false
			for _, file := range args {
				p, err := read(env, file)
				if err != nil {
					cli.PrintError(env.Stderr, false, err)
					failed = true
					continue
				}
				fmt.Fprintf(env.Stdout, "%s: policy %q, %d deny and %d allow rules\n", cli.Printable(file), p.Name, len(p.Deny), len(p.Allow))
			}
			if failed {
				return cli.Reported(1)
			}
			return nil
		},
	}
}

func read(env *cli.Env, file string) (*policy.Policy, error) {
	text, err := os.ReadFile(env.Path(file))
	if err != nil {
		return nil, err
	}
	p, err := policy.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return p, nil
}

// explainConfig is the command line of "naru policy explain".
type explainConfig struct {
	file, method                              string
	principals, groups, scopes, claims, heads []string
	issuer, scheme, address, output           string
}

const explainLong = `Say which rule of a policy decides for a call, and why the rules before it do not match. Without flags about the caller the call is
from nobody that was verified.

Exit codes: 0 the call is allowed; 1 it is refused, or the policy cannot be read; 2 the command line is wrong.`

func newExplain(env *cli.Env) *cobra.Command {
	var c explainConfig
	cmd := &cobra.Command{
		Use:     "explain file method",
		Short:   "Say which rule decides for a method and a caller",
		Long:    explainLong,
		Example: "  naru policy explain policy.json shop.Products/Delete --principal ada --group staff\n  naru policy explain policy.json shop.Products/List --header x-dev:1 --address 10.0.0.7",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return cli.Usagef("want a policy's file and a method, such as shop.Products/Delete")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			c.file, c.method = args[0], args[1]
			return c.run(env)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringArrayVar(&c.principals, "principal", nil, "a `name` of the caller; the first one is its subject")
	f.StringArrayVar(&c.groups, "group", nil, "a `group` of the caller")
	f.StringArrayVar(&c.scopes, "scope", nil, "a `scope` of the caller's token")
	f.StringArrayVar(&c.claims, "claim", nil, "a claim of the caller's token, `name=value`; the value may be JSON")
	f.StringVar(&c.issuer, "issuer", "", "who `issued` the caller's token or certificate")
	f.StringVar(&c.scheme, "scheme", "", "`how` the caller was verified: certificate, jwt, basic, ...")
	f.StringVar(&c.address, "address", "", "the IP `address` the connection comes from")
	f.StringArrayVarP(&c.heads, "header", "H", nil, "a header of the request, `key:value`")
	f.StringVarP(&c.output, "output", "o", "text", "`form` of the output: text or json")
	return cmd
}

func (c *explainConfig) run(env *cli.Env) error {
	if c.output != "text" && c.output != "json" {
		return cli.Usagef("--output %s: want text or json", c.output)
	}
	in, err := c.input()
	if err != nil {
		return err
	}
	p, err := read(env, c.file)
	if err != nil {
		return err
	}
	rules, err := policy.New(p, policy.Config{})
	if err != nil {
		return err
	}
	d, passed := rules.Explain(in)
	if c.output == "json" {
		err = writeJSON(env, d, passed)
	} else {
		writeText(env, d, passed)
	}
	if err == nil && !d.Allowed {
		err = cli.Reported(1)
	}
	return err
}

// input is the call that the flags describe.
func (c *explainConfig) input() (policy.Input, error) {
	in := policy.Input{Method: "/" + strings.TrimPrefix(c.method, "/")}
	if service, method, ok := strings.Cut(in.Method[1:], "/"); !ok || service == "" || method == "" || strings.Contains(method, "/") {
		return in, cli.Usagef("method %q: want package.Service/Method", c.method)
	}
	if c.address != "" {
		addr, err := netip.ParseAddr(c.address)
		if err != nil {
			return in, cli.Usagef("--address %q: want an IP address", c.address)
		}
		in.Addr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(addr, 1))
	}
	headers := make(map[string][]string)
	for _, h := range c.heads {
		key, value, ok := strings.Cut(h, ":")
		if !ok || key == "" {
			return in, cli.Usagef("--header %q: want key:value", h)
		}
		key = strings.ToLower(key)
		headers[key] = append(headers[key], strings.TrimSpace(value))
	}
	in.Header = func(key string) []string { return headers[key] }
	claims, err := c.claimValues()
	if err != nil {
		return in, err
	}
	if len(c.principals)+len(c.groups)+len(c.scopes)+len(claims)+len(c.issuer)+len(c.scheme) > 0 {
		in.Caller = &auth.Caller{Scheme: c.scheme, Issuer: c.issuer, Names: c.principals, Groups: c.groups, Scopes: c.scopes, Claims: claims}
		if len(c.principals) > 0 {
			in.Caller.Subject = c.principals[0]
		}
	}
	return in, nil
}

// claimValues reads --claim: JSON where the value is some, otherwise text.
func (c *explainConfig) claimValues() (map[string]any, error) {
	claims := make(map[string]any)
	for _, text := range c.claims {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, cli.Usagef("--claim %q: want name=value", text)
		}
		d := json.NewDecoder(strings.NewReader(value))
		d.UseNumber()
		var v any
		if err := d.Decode(&v); err != nil || d.More() {
			v = value
		}
		claims[name] = v
	}
	return claims, nil
}

func kindOf(m policy.Mismatch) string {
	if m.Deny {
		return "deny"
	}
	return "allow"
}

func writeText(env *cli.Env, d policy.Decision, passed []policy.Mismatch) {
	for _, m := range passed {
		fmt.Fprintf(env.Stdout, "%-5s rule %q does not match: %s\n", kindOf(m), m.Rule, m.Part)
	}
	switch {
	case d.Allowed:
		fmt.Fprintf(env.Stdout, "allowed by rule %q of policy %q\n", d.Rule, d.Policy)
	case d.Rule != "":
		fmt.Fprintf(env.Stdout, "refused by rule %q of policy %q\n", d.Rule, d.Policy)
	default:
		fmt.Fprintf(env.Stdout, "refused: no allow rule of policy %q matches\n", d.Policy)
	}
}

func writeJSON(env *cli.Env, d policy.Decision, passed []policy.Mismatch) error {
	type mismatch struct {
		Kind string `json:"kind"`
		Rule string `json:"rule"`
		Part string `json:"part"`
	}
	out := struct {
		Allowed    bool       `json:"allowed"`
		Policy     string     `json:"policy"`
		Rule       string     `json:"rule"`
		Method     string     `json:"method"`
		Mismatches []mismatch `json:"mismatches"`
	}{d.Allowed, d.Policy, d.Rule, d.Method, []mismatch{}}
	for _, m := range passed {
		out.Mismatches = append(out.Mismatches, mismatch{kindOf(m), m.Rule, m.Part})
	}
	e := json.NewEncoder(env.Stdout)
	e.SetIndent("", "  ")
	return e.Encode(out)
}
