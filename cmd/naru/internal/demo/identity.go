package demo

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/naru-rpc/naru/credentials/devcert"
)

// identity is the certificate of --tls, made anew by every start.
type identity struct {
	// immutable after newIdentity
	config *tls.Config
	dir    string // temporary
	caFile string // what clients need to trust the certificate
}

func newIdentity() (*identity, error) {
	const lifetime = 30 * 24 * time.Hour // a demo left running over the holidays
	ca, err := devcert.NewAuthority("naru demo", lifetime)
	if err != nil {
		return nil, err
	}
	cert, err := ca.Issue(devcert.Request{Hosts: hosts()})
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "naru-demo-")
	if err != nil {
		return nil, fmt.Errorf("write the demo's certificate: %w", err)
	}
	id := &identity{config: cert.ServerConfig(), dir: dir, caFile: filepath.Join(dir, "ca.pem")}
	if err := os.WriteFile(id.caFile, ca.CertPEM(), 0o644); err != nil {
		return nil, errors.Join(fmt.Errorf("write the demo's certificate: %w", err), id.remove())
	}
	return id, nil
}

// hosts are the names by which the demo's own machine is called.
func hosts() []string {
	names := []string{"localhost", "127.0.0.1", "::1"}
	if name, err := os.Hostname(); err == nil && name != "" && name != "localhost" {
		names = append(names, name)
	}
	return names
}

func (id *identity) remove() error { return os.RemoveAll(id.dir) }
