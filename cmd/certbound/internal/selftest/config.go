package selftest

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Config says what to attack, and as whom. Issuer, Proxy, ClientID and Certificate
// are required.
type Config struct {
	Issuer      string
	Proxy       string // https URL in front of the API
	Path        string // a GET that the client may make, "/accounts"
	ClientID    string
	Certificate tls.Certificate
	Other       *tls.Certificate // a valid certificate of another client, for more probes
	RootCAs     *x509.CertPool   // of both servers; nil means the system's
	Resource    string           // audience to ask a token for, RFC 8707
	Clock       func() time.Time // default time.Now
}

// Bounds of a run.
const (
	maxRequests    = 200
	requestTimeout = 10 * time.Second
	runTimeout     = 3 * time.Minute
	maxAnswer      = 1 << 20 // bytes read of an answer
)

func (c *Config) check() error {
	for _, one := range []struct{ name, value string }{{"issuer", c.Issuer}, {"proxy", c.Proxy}} {
		u, err := url.Parse(one.value)
		if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return fmt.Errorf("selftest: the %s %q is not an https URL without user, query and fragment", one.name, one.value)
		}
	}
	c.Proxy = strings.TrimSuffix(c.Proxy, "/")
	if c.Clock == nil {
		c.Clock = time.Now
	}
	switch {
	case !strings.HasPrefix(c.Path, "/") || c.Path == "/" || strings.ContainsAny(c.Path, "?#% "):
		return fmt.Errorf("selftest: the path %q is not a plain path below /", c.Path)
	case c.ClientID == "":
		return errors.New("selftest: the client id is missing")
	}
	if _, ok := c.Certificate.PrivateKey.(crypto.Signer); !ok || len(c.Certificate.Certificate) == 0 {
		return errors.New("selftest: the client's certificate and key are missing")
	}
	return nil
}
