package process

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"

	"github.com/certbound/certbound/cmd/certbound/internal/config"
	"github.com/certbound/certbound/resource/proxy"
)

// namedUpstreams are the upstreams of a configuration by their names.
type namedUpstreams map[string]*namedUpstream

// namedUpstream is an upstream with what its files hold.
type namedUpstream struct {
	settings  config.Upstream
	roots     *x509.CertPool
	pair      *tls.Certificate // nil: the proxy shows none
	transport *http.Transport
}

// openUpstreams opens the files of the upstreams; usual are the roots of those
// that name none.
func openUpstreams(c *config.Proxy, usual *x509.CertPool) (namedUpstreams, error) {
	all := namedUpstreams{}
	var faults []error
	for i, settings := range c.Upstreams {
		u, at := &namedUpstream{settings: settings, roots: usual}, fmt.Sprintf("upstreams[%d].tls.", i)
		if settings.TLS.CA != "" {
			var err error
			u.roots, err = config.ReadRoots(settings.TLS.CA)
			faults = append(faults, c.Source.Problem(at+"ca", err))
		}
		if settings.TLS.Certificate != "" {
			pair, err := tls.LoadX509KeyPair(string(settings.TLS.Certificate), string(settings.TLS.Key))
			faults = append(faults, c.Source.Problem(at+"certificate", err))
			u.pair = &pair
		}
		all[settings.Name] = u
	}
	return all, errors.Join(faults...)
}

// connect gives each upstream a transport, with its open connections where
// nothing has changed.
func (n namedUpstreams) connect(earlier *generation) namedUpstreams {
	for name, u := range n {
		if earlier != nil && earlier.named[name].same(u) {
			u.transport = earlier.named[name].transport
			continue
		}
		how := u.settings.Transport()
		how.RootCAs = u.roots
		if u.pair != nil {
			how.Certificates = []tls.Certificate{*u.pair}
		}
		u.transport = how.New()
	}
	return n
}

// same reports whether both are reached alike.
func (u *namedUpstream) same(next *namedUpstream) bool {
	return u != nil && u.settings == next.settings && u.roots.Equal(next.roots) &&
		(u.pair == nil) == (next.pair == nil) && (u.pair == nil || samePair(u.pair, next.pair))
}

// release closes what the next generation has not taken over.
func (n namedUpstreams) release(next namedUpstreams) {
	for name, u := range n {
		if kept := next[name]; kept == nil || kept.transport != u.transport {
			u.transport.CloseIdleConnections()
		}
	}
}

// routes are the routes of the configuration with their transports.
func (g *generation) routes() []proxy.Route {
	routes := g.config.ProxyRoutes()
	for i := range routes {
		if u := g.named[g.config.Routes[i].Upstream]; u != nil {
			routes[i].Transport = u.transport
		}
	}
	return routes
}
