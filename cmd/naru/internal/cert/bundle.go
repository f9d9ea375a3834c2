package cert

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
)

// verdict is how bad a finding is.
type verdict string

const (
	good    verdict = "ok"
	warning verdict = "warning"
	failure verdict = "failure"
)

// finding is something worth knowing about a bundle.
type finding struct {
	Verdict verdict `json:"verdict"`
	Text    string  `json:"text"`
}

// bundle is what a file has, or a server shows.
type bundle struct {
	Source       string        `json:"source"`
	Version      string        `json:"tlsVersion,omitempty"`
	Protocol     string        `json:"protocol,omitempty"`
	Certificates []certificate `json:"certificates"`
	Others       []string      `json:"others,omitempty"` // keys and lists
	Findings     []finding     `json:"findings"`

	live  bool
	certs []*x509.Certificate
	keys  []crypto.Signer
}

// certificate is what is shown of one.
type certificate struct {
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"`
	Serial    string    `json:"serial"`
	Names     []string  `json:"names"`
	NotBefore time.Time `json:"notBefore"`
	NotAfter  time.Time `json:"notAfter"`
	Key       string    `json:"key"`
	Signature string    `json:"signature"`
	Usage     []string  `json:"usage,omitempty"`
	CA        bool      `json:"ca"`
	SHA256    string    `json:"sha256"`
}

func (b *bundle) find(v verdict, format string, args ...any) {
	b.Findings = append(b.Findings, finding{v, cli.Printable(fmt.Sprintf(format, args...))})
}

func (b *bundle) failures() (n int) {
	for _, f := range b.Findings {
		if f.Verdict == failure {
			n++
		}
	}
	return n
}

// parse reads PEM blocks; DER of one certificate too.
func parse(source string, text []byte) (*bundle, error) {
	b := &bundle{Source: source}
	if cert, err := x509.ParseCertificate(text); err == nil {
		b.add(cert)
		return b, nil
	}
	rest := text
	n := 0
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		n++
		if err := b.block(block); err != nil {
			b.find(failure, "block %d (%s) cannot be read: %v", n, block.Type, err)
		}
	}
	if begun := bytes.Count(text, []byte("-----BEGIN ")); begun > n {
		b.find(failure, "%d of %d PEM blocks are damaged or lack their end", begun-n, begun)
	}
	if n == 0 && len(b.Findings) == 0 {
		return nil, cli.WithHint(fmt.Errorf("%s: neither PEM nor a certificate in DER", source), "PEM begins with -----BEGIN CERTIFICATE-----")
	}
	return b, nil
}

func (b *bundle) block(block *pem.Block) error {
	switch block.Type {
	case "CERTIFICATE":
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return err
		}
		b.add(cert)
	case "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY":
		key, err := parseKey(block)
		if err != nil {
			return err
		}
		b.keys = append(b.keys, key)
		b.Others = append(b.Others, "private key, "+keyText(key.Public()))
	case "X509 CRL":
		list, err := x509.ParseRevocationList(block.Bytes)
		if err != nil {
			return err
		}
		b.Others = append(b.Others, cli.Printable(fmt.Sprintf("revocation list of %s: %d certificates, next update %s",
			list.Issuer, len(list.RevokedCertificateEntries), list.NextUpdate.Format(time.DateOnly))))
	case "ENCRYPTED PRIVATE KEY":
		return errors.New("it is encrypted, which servers cannot read: store it in plain, readable by their user only")
	default:
		b.Others = append(b.Others, cli.Printable(block.Type))
	}
	return nil
}

func parseKey(block *pem.Block) (crypto.Signer, error) {
	var key any
	var err error
	switch block.Type {
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("it is not a key for signatures")
	}
	return signer, nil
}

func keyText(public crypto.PublicKey) string {
	switch k := public.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", k.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA " + k.Curve.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return "of a kind not known"
}

func (b *bundle) add(c *x509.Certificate) {
	sum := sha256.Sum256(c.Raw)
	view := certificate{
		Subject: cli.Printable(c.Subject.String()), Issuer: cli.Printable(c.Issuer.String()), Serial: fmt.Sprintf("%x", c.SerialNumber),
		NotBefore: c.NotBefore, NotAfter: c.NotAfter, Key: keyText(c.PublicKey), Signature: c.SignatureAlgorithm.String(),
		CA: c.IsCA, SHA256: fmt.Sprintf("%x", sum), Names: []string{},
	}
	for _, n := range names(c) {
		view.Names = append(view.Names, cli.Printable(n))
	}
	for _, u := range c.ExtKeyUsage {
		switch u {
		case x509.ExtKeyUsageServerAuth:
			view.Usage = append(view.Usage, "server")
		case x509.ExtKeyUsageClientAuth:
			view.Usage = append(view.Usage, "client")
		case x509.ExtKeyUsageAny:
			view.Usage = append(view.Usage, "any")
		default:
			view.Usage = append(view.Usage, fmt.Sprintf("usage %d", u))
		}
	}
	b.certs, b.Certificates = append(b.certs, c), append(b.Certificates, view)
}

// names are all subject alternative names.
func names(c *x509.Certificate) []string {
	all := append([]string(nil), c.DNSNames...)
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	all = append(all, c.EmailAddresses...)
	for _, u := range c.URIs {
		all = append(all, u.String())
	}
	return all
}

// text is the bundle for people.
func (b *bundle) text(s *strings.Builder, style cli.Style) {
	fmt.Fprintf(s, "%s", style.Strong(cli.Printable(b.Source)))
	if b.Version != "" {
		fmt.Fprintf(s, "   %s, ALPN %q", b.Version, cli.Printable(b.Protocol))
	}
	s.WriteString("\n")
	for i, c := range b.Certificates {
		kind := "certificate"
		if c.CA {
			kind = "authority"
		}
		fmt.Fprintf(s, "\n%d  %s %s\n", i+1, kind, style.Strong(c.Subject))
		fmt.Fprintf(s, "   signed by  %s\n", c.Issuer)
		if len(c.Names) > 0 {
			fmt.Fprintf(s, "   names      %s\n", strings.Join(c.Names, ", "))
		}
		fmt.Fprintf(s, "   valid      %s to %s\n", c.NotBefore.UTC().Format(time.RFC3339), c.NotAfter.UTC().Format(time.RFC3339))
		fmt.Fprintf(s, "   key        %s, signature %s\n", c.Key, c.Signature)
		if len(c.Usage) > 0 {
			fmt.Fprintf(s, "   usage      %s\n", strings.Join(c.Usage, ", "))
		}
		fmt.Fprintf(s, "   serial     %s\n   sha256     %s\n", c.Serial, c.SHA256)
	}
	for _, o := range b.Others {
		fmt.Fprintf(s, "\n-  %s\n", o)
	}
	s.WriteString("\n")
	for _, f := range b.Findings {
		word := fmt.Sprintf("%-7s", f.Verdict)
		switch f.Verdict {
		case good:
			word = style.Good(word)
		case warning:
			word = style.Warning(word)
		case failure:
			word = style.Error(word)
		}
		fmt.Fprintf(s, "%s  %s\n", word, f.Text)
	}
}
