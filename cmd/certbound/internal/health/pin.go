package health

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/certbound/certbound/authz/certinfo"
	"github.com/certbound/certbound/cmd/certbound/internal/config"
)

// certificate reads the one that the process presents.
func certificate(file config.Path) (*x509.Certificate, error) {
	data, err := os.ReadFile(string(file))
	if err != nil {
		return nil, err
	}
	content, err := certinfo.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(content.Certificates) == 0 {
		return nil, fmt.Errorf("%s: it holds no certificate", file)
	}
	return content.Certificates[0], nil
}

// nameOf is one that the certificate is for.
func nameOf(c *x509.Certificate) string {
	if len(c.DNSNames) > 0 {
		if rest, wildcard := strings.CutPrefix(c.DNSNames[0], "*."); wildcard {
			return "healthcheck." + rest
		}
		return c.DNSNames[0]
	}
	if len(c.IPAddresses) > 0 {
		return c.IPAddresses[0].String()
	}
	return "localhost" // it is refused, as the server's clients refuse it
}

// pin is the one certificate that is believed.
type pin struct {
	own  *x509.Certificate
	file string
}

// config trusts that certificate and nothing that it or anybody else has signed. Its
// name and its validity are checked as every client does.
func (p *pin) config(name string) *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(p.own)
	return &tls.Config{
		MinVersion: tls.VersionTLS13, // every listener of ours speaks it
		RootCAs:    roots, ServerName: name,
		// Where it is an authority too, RootCAs would take what it signed.
		VerifyConnection: func(state tls.ConnectionState) error { return p.check(state.PeerCertificates) },
	}
}

func (p *pin) check(presented []*x509.Certificate) error {
	if len(presented) == 0 || !presented[0].Equal(p.own) {
		return fmt.Errorf("the listener presents another certificate than %s: it has not been reloaded, or somebody else listens there", p.file)
	}
	return nil
}

// explain says what crypto/x509 cannot know: that it is not a matter of authorities.
func (p *pin) explain(err error) error {
	var refused *tls.CertificateVerificationError
	if p == nil || !errors.As(err, &refused) {
		return err
	}
	return cmp.Or(p.check(refused.UnverifiedCertificates), err)
}
