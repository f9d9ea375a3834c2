package cert

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
	"github.com/naru-rpc/naru/credentials/devcert"
)

// devConfig is the command line of "naru cert dev".
type devConfig struct {
	dir    string
	client string
	days   int
	force  bool
	hosts  []string
}

const devLong = `Make certificates for development: an authority (ca.pem, ca-key.pem), a certificate for a server (server.pem,
server-key.pem) and one for a client (client.pem, client-key.pem).

The server's is for localhost, 127.0.0.1, ::1 and the hosts given: DNS names, IP addresses or URIs such as
spiffe://example.com/shop. An authority already in the folder is kept, so that programs that trust it need no change.
Keys are readable by their owner alone. They are for development: nothing protects the authority's key but the
file's permissions.`

const devExample = `  naru cert dev
  naru cert dev --dir ./tls shop.test 192.168.1.20
  naru cert dev --force                  new certificates of the same authority`

func newDev(env *cli.Env) *cobra.Command {
	var c devConfig
	cmd := &cobra.Command{
		Use:     "dev [host...]",
		Short:   "Make an authority, and a server's and a client's certificate",
		Long:    devLong,
		Example: devExample,
		RunE: func(_ *cobra.Command, args []string) error {
			c.hosts = args
			return c.run(env)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&c.dir, "dir", "certs", "`folder` of the files")
	f.StringVar(&c.client, "client", "client", "the client's `name`: a common name, or a URI such as spiffe://example.com/client")
	f.IntVar(&c.days, "days", 365, "how many `days` the certificates are valid")
	f.BoolVar(&c.force, "force", false, "replace certificates that are there; the authority stays")
	return cmd
}

// leaves are the certificates made, by the names of their files.
var leaves = []string{"server", "client"}

func (c *devConfig) run(env *cli.Env) error {
	if c.days < 1 || c.days > 36500 {
		return cli.Usagef("--days %d: want 1 to 36500", c.days)
	}
	if c.client == "" {
		return cli.Usagef("--client: the name is empty")
	}
	for _, h := range c.hosts {
		if h == "" || strings.ContainsAny(h, " ,") {
			return cli.WithHint(cli.Usagef("%q is no host", h), "give several hosts as arguments of their own: naru cert dev a.test b.test")
		}
	}
	dir := env.Path(c.dir)
	if !c.force {
		for _, name := range leaves {
			if _, err := os.Lstat(filepath.Join(dir, name+".pem")); err == nil {
				return cli.WithHint(fmt.Errorf("%s is there already", filepath.Join(c.dir, name+".pem")),
					"--force replaces it, signed by the same authority")
			}
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	ca, made, err := c.authority(dir)
	if err != nil {
		return err
	}
	hosts := append([]string{"localhost", "127.0.0.1", "::1"}, c.hosts...)
	client := devcert.Request{Name: c.client}
	if strings.Contains(c.client, "://") {
		client.Hosts = []string{c.client}
	}
	lifetime := time.Duration(c.days) * 24 * time.Hour
	for name, request := range map[string]devcert.Request{"server": {Hosts: hosts}, "client": client} {
		request.Lifetime = lifetime
		if err := issue(ca, dir, name, request); err != nil {
			return err
		}
	}
	authority := "the authority that was there"
	if made {
		authority = "a new authority"
	}
	_, err = fmt.Fprintf(env.Stdout, devDone, c.dir, authority, strings.Join(hosts, ", "), c.client, c.days,
		filepath.Join(c.dir, "ca.pem"))
	return err
}

const devDone = `%[1]s: %[2]s, and certificates signed by it, valid for %[5]d days
  server.pem   for %[3]s
  client.pem   named %[4]s

In Go, on both sides (Cert and Key are the server's or the client's):
  naru.WithTLSFiles(credentials.TLSFiles{Cert: "server.pem", Key: "server-key.pem", CA: "ca.pem"})
Then:
  naru doctor localhost:50051 --ca %[6]s
`

// authority reads the folder's authority, or makes one.
func (c *devConfig) authority(dir string) (ca *devcert.Authority, made bool, err error) {
	certFile, keyFile := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca-key.pem")
	certPEM, certErr := os.ReadFile(certFile)
	keyPEM, keyErr := os.ReadFile(keyFile)
	switch {
	case certErr == nil && keyErr == nil:
		ca, err = devcert.LoadAuthority(certPEM, keyPEM)
		if err != nil {
			return nil, false, cli.WithHint(fmt.Errorf("%s: %w", certFile, err), "move ca.pem and ca-key.pem away for a new authority")
		}
		return ca, false, nil
	case errors.Is(certErr, fs.ErrNotExist) && errors.Is(keyErr, fs.ErrNotExist):
	case certErr == nil:
		return nil, false, cli.WithHint(keyErr, "an authority needs both files; move ca.pem away for a new one")
	default:
		return nil, false, cli.WithHint(certErr, "an authority needs both files; move ca-key.pem away for a new one")
	}
	// Longer than any certificate it signs.
	if ca, err = devcert.NewAuthority("naru development authority", time.Duration(max(c.days, 3650)+1)*24*time.Hour); err != nil {
		return nil, false, err
	}
	key, err := ca.KeyPEM()
	if err != nil {
		return nil, false, err
	}
	if err := write(keyFile, key, 0o600); err != nil {
		return nil, false, err
	}
	return ca, true, write(certFile, ca.CertPEM(), 0o644)
}

func issue(ca *devcert.Authority, dir, name string, request devcert.Request) error {
	cert, err := ca.Issue(request)
	if err != nil {
		return err
	}
	key, err := cert.KeyPEM()
	if err != nil {
		return err
	}
	if err := write(filepath.Join(dir, name+"-key.pem"), key, 0o600); err != nil {
		return err
	}
	return write(filepath.Join(dir, name+".pem"), cert.CertPEM(), 0o644)
}

// write puts a file in its place by a rename, so that programs that watch it see the old or the new
// one, whole.
func write(file string, text []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+"-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails after the rename
	_, err = f.Write(text)
	if err = errors.Join(err, f.Chmod(mode), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}
