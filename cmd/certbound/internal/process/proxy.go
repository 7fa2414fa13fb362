package process

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/certbound/certbound/cmd/certbound/internal/config"
	"github.com/certbound/certbound/keys/servertls"
	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/proxy"
)

// Proxy is a resource-server proxy that is ready to be served.
type Proxy struct {
	Server *http.Server
}

// NewProxy opens everything a proxy needs, and reports all that is wrong with the
// files that a valid configuration names. It fetches nothing: the issuer may
// start later than the proxy.
func NewProxy(c *config.Proxy, o Options) (*Proxy, error) {
	listener, tlsErr := newTLS(c.Source, c.TLS, o)
	issuerRoots, issuerErr := config.ReadRoots(c.IssuerCA)
	upstreamRoots, upstreamErr := x509.NewCertPool(), error(nil) // empty, not nil: nil would mean the system's
	if c.UpstreamCA != "" {
		upstreamRoots, upstreamErr = config.ReadRoots(c.UpstreamCA)
	}
	err := errors.Join(tlsErr, c.Source.Problem("issuer_ca", issuerErr), c.Source.Problem("upstream_ca", upstreamErr))
	if err != nil {
		return nil, err
	}
	verifier, err := resource.New(resource.Config{
		Issuer: c.Issuer, Audience: c.Audience, Realm: c.Realm, Leeway: leeway(c.Leeway),
		HTTPClient: &http.Client{Timeout: 10 * time.Second, Transport: transport(issuerRoots)},
		Clock:      o.clock(), Logger: o.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("starting the proxy: %w", err)
	}
	handler, err := proxy.New(proxy.Config{
		Verifier: verifier, Routes: c.ProxyRoutes(), Transport: transport(upstreamRoots),
		MaxBodyBytes: int64(c.MaxBodyBytes), Logger: o.Logger, Clock: o.clock(),
	})
	if err != nil {
		return nil, fmt.Errorf("starting the proxy: %w", err)
	}
	return &Proxy{Server: servertls.HTTPServer(handler, listener.TLSConfig(), o.Logger)}, nil
}

// leeway says zero the way package resource understands it.
func leeway(d config.Duration) time.Duration {
	if d == 0 {
		return resource.NoLeeway
	}
	return time.Duration(d)
}

// transport connects to servers that chain to roots and to nothing else.
func transport(roots *x509.CertPool) *http.Transport {
	t := proxy.NewTransport()
	t.TLSClientConfig.RootCAs = roots
	return t
}
