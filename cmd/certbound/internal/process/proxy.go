package process

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
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

// NewProxy opens everything a proxy needs, and reports all that is wrong. It
// fetches nothing: the issuer may start later than the proxy.
func NewProxy(c *config.Proxy, o Options) (*Proxy, error) {
	listener, tlsErr := newTLS(c.Source, c.TLS, o.Logger)
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
	routes, err := newRoutes(c)
	if err != nil {
		return nil, err
	}
	handler, err := proxy.New(proxy.Config{
		Verifier: verifier, Routes: routes, Transport: transport(upstreamRoots), Logger: o.Logger, Clock: o.clock(),
	})
	if err != nil {
		return nil, placeRoutes(c.Source, err)
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

func newRoutes(c *config.Proxy) ([]proxy.Route, error) {
	routes := make([]proxy.Route, len(c.Routes))
	for i, r := range c.Routes {
		upstream, err := url.Parse(r.Upstream)
		if err != nil {
			return nil, c.Source.Problem(fmt.Sprintf("routes[%d].upstream", i), err)
		}
		routes[i] = proxy.Route{
			Path: r.Path, Methods: r.Methods, Scopes: r.Scopes, AnyScope: r.AnyScope, Upstream: upstream,
			ForwardToken: r.ForwardToken, InsecurePlaintextUpstream: r.InsecurePlaintextUpstream,
		}
	}
	return routes, nil
}

// placeRoutes says where in the file each route error is.
func placeRoutes(source *config.Source, err error) error {
	faults := proxy.RouteErrors(err)
	if len(faults) == 0 {
		return fmt.Errorf("starting the proxy: %w", err)
	}
	placed := make([]error, len(faults))
	for i, fault := range faults {
		placed[i] = source.Problem(fmt.Sprintf("routes[%d].%s", fault.Index, fault.Field), fault.Err)
	}
	return errors.Join(placed...)
}
