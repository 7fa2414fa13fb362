package doctor

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"time"

	"github.com/certbound/certbound/authz/certinfo"
	"github.com/certbound/certbound/cmd/certbound/internal/config"
)

// soon is when a certificate should have been renewed, or a third of its lifetime
// before the end when that is later.
const soon = 30 * 24 * time.Hour

// keyFile looks at the mode of a file that holds a secret.
func (e *examination) keyFile(setting string, path config.Path) {
	if path == "" {
		return
	}
	info, err := os.Stat(string(path))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return // the configuration has said so
	case err != nil:
		e.add(Finding{Problem, "key_file", fmt.Sprintf("%s: %v", setting, err), "the process cannot read its key", "let the user that runs certbound read it"})
	case info.Mode().Perm()&0o077 != 0:
		e.add(Finding{
			Problem, "key_file", fmt.Sprintf("%s: %s has mode %04o", setting, path, info.Mode().Perm()),
			"whoever reads the key can be this server, or open what it seals", "chmod 600 " + string(path) + "; if others could read it, replace the key",
		})
	default:
		e.ok("key_file", "%s: %s is its owner's only", setting, path)
	}
}

// read returns the certificates of a file. What cannot be read has been said with
// the configuration.
func read(path config.Path) []*x509.Certificate {
	data, err := os.ReadFile(string(path))
	if err != nil {
		return nil
	}
	file, err := certinfo.Parse(data)
	if err != nil {
		return nil
	}
	return file.Certificates
}

// expiry reports how long a certificate has left.
func (e *examination) expiry(check, what string, cert *x509.Certificate) {
	now := e.Clock()
	left := cert.NotAfter.Sub(now)
	switch {
	case now.Before(cert.NotBefore):
		e.add(Finding{Problem, check, fmt.Sprintf("%s is not valid before %s", what, stamp(cert.NotBefore)), "nobody accepts it until then", "check the clock of this machine; wait, or use another certificate"})
	case left < 0:
		e.add(Finding{Problem, check, fmt.Sprintf("%s expired at %s", what, stamp(cert.NotAfter)), "nobody accepts it any more", "renew it"})
	case left < min(soon, cert.NotAfter.Sub(cert.NotBefore)/3):
		e.add(Finding{Warning, check, fmt.Sprintf("%s expires at %s, in %s", what, stamp(cert.NotAfter), left.Truncate(time.Minute)), "then nobody accepts it any more", "renew it now, while there is time to notice what goes wrong"})
	default:
		e.ok(check, "%s is good until %s", what, stamp(cert.NotAfter))
	}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// serverCertificate checks what callers are shown: expiry, name, and chain where
// the roots are known.
func (e *examination) serverCertificate(t config.TLS, issuer string, roots *x509.CertPool) {
	certs := read(t.Certificate)
	if len(certs) == 0 {
		return
	}
	leaf := certs[0]
	e.expiry("server_certificate", string(t.Certificate), leaf)
	for i, authority := range certs[1:] {
		e.expiry("server_certificate", fmt.Sprintf("certificate %d of %s", i+2, t.Certificate), authority)
	}
	if u, err := url.Parse(issuer); err == nil && issuer != "" {
		if err := leaf.VerifyHostname(u.Hostname()); err != nil {
			e.add(Finding{Problem, "server_name", fmt.Sprintf("%s: %v", t.Certificate, err), "clients that check the name, as they must, do not connect to the issuer", "issue a certificate with " + u.Hostname() + " in its subject alternative name"})
		} else {
			e.ok("server_name", "%s is for %s", t.Certificate, u.Hostname())
		}
	}
	e.serverChain(t, certs, roots)
}

func (e *examination) serverChain(t config.TLS, certs []*x509.Certificate, roots *x509.CertPool) {
	for i := 1; i < len(certs); i++ {
		if certs[i-1].CheckSignatureFrom(certs[i]) != nil {
			e.add(Finding{Problem, "server_chain", fmt.Sprintf("certificate %d of %s was not signed by certificate %d", i, t.Certificate, i+1), "clients find no path to their roots", "put the server's certificate first, and after each the one that signed it"})
			return
		}
	}
	if roots == nil {
		return // nothing to hold it to; who has the roots asks the issuer below
	}
	intermediates := x509.NewCertPool()
	for _, cert := range certs[1:] {
		intermediates.AddCert(cert)
	}
	_, err := certs[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates, CurrentTime: e.Clock()})
	if err != nil {
		e.add(Finding{Problem, "server_chain", fmt.Sprintf("%s: %v", t.Certificate, err), "clients with these roots do not connect", "add the missing intermediates to the file, or give the right roots"})
		return
	}
	e.ok("server_chain", "%s leads to the roots", t.Certificate)
}

// bundle looks at a file of roots.
func (e *examination) bundle(setting string, path config.Path) {
	for i, cert := range read(path) {
		e.expiry("trust", fmt.Sprintf("%s: certificate %d of %s", setting, i+1, path), cert)
	}
}

// clientCertificate looks at what this process shows to others.
func (e *examination) clientCertificate(setting string, path config.Path) {
	if certs := read(path); len(certs) > 0 {
		e.expiry("client_certificate", setting+": "+string(path), certs[0])
	}
}
