package process

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"time"

	"github.com/certbound/certbound/cmd/certbound/internal/config"
	"github.com/certbound/certbound/cmd/certbound/internal/ops"
	"github.com/certbound/certbound/keys/servertls"
	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/introspection"
	"github.com/certbound/certbound/resource/jwks"
	"github.com/certbound/certbound/resource/proxy"
)

// generation is what one configuration of a proxy made. It never changes; a
// reload makes the next one, which takes over the parts whose settings and files
// are the same: what they have learned is as true as before.
type generation struct {
	config   *config.Proxy
	in       *proxyInputs
	keys     *jwks.Remote
	feed     *following // nil: the feed is not followed
	upstream *http.Transport
	named    namedUpstreams
	limits   *proxy.Limits
	handler  http.Handler
}

// proxyInputs is what the files that a configuration names hold.
type proxyInputs struct {
	listener      *servertls.Listener
	issuerRoots   *x509.CertPool
	upstreamRoots *x509.CertPool
	certificate   *tls.Certificate // of the feed's client; nil when it is not followed
	upstreams     namedUpstreams
}

// openProxy opens what it can and reports all that is wrong.
func openProxy(c *config.Proxy, o Options) (*proxyInputs, error) {
	var in proxyInputs
	var tlsErr, issuerErr, upstreamErr, feedErr error
	in.listener, tlsErr = newTLS(c.Source, c.TLS, o)
	in.issuerRoots, issuerErr = config.ReadRoots(c.IssuerCA)
	in.upstreamRoots = x509.NewCertPool() // empty, not nil: nil would mean the system's
	if c.UpstreamCA != "" {
		in.upstreamRoots, upstreamErr = config.ReadRoots(c.UpstreamCA)
	}
	if c.Revocations.Followed() {
		var pair tls.Certificate
		pair, feedErr = tls.LoadX509KeyPair(string(c.Revocations.Certificate), string(c.Revocations.Key))
		in.certificate = &pair
	}
	var namedErr error
	in.upstreams, namedErr = openUpstreams(c, in.upstreamRoots)
	return &in, errors.Join(tlsErr, namedErr, c.Source.Problem("issuer_ca", issuerErr),
		c.Source.Problem("upstream_ca", upstreamErr), c.Source.Problem("revocations.certificate", feedErr))
}

// assembleProxy makes a generation. Nothing in it runs yet.
func assembleProxy(c *config.Proxy, o Options, in *proxyInputs, earlier *generation) (*generation, error) {
	g := &generation{config: c, in: in}
	var err error
	if g.keys, err = g.issuerKeys(o, earlier); err != nil {
		return nil, err
	}
	if g.feed, err = g.follower(o, earlier); err != nil {
		return nil, err
	}
	g.upstream = proxy.TransportConfig{RootCAs: in.upstreamRoots}.New()
	if earlier != nil && earlier.in.upstreamRoots.Equal(in.upstreamRoots) {
		g.upstream = earlier.upstream // with its open connections
	}
	g.named = in.upstreams.connect(earlier)
	if earlier != nil && earlier.config.RateLimits == c.RateLimits {
		g.limits = earlier.limits // with what was counted
	} else if g.limits, err = proxy.NewLimits(c.RateLimits.Rates()); err != nil {
		return nil, err
	}
	g.handler, err = g.proxy(o)
	return g, err
}

// proxy makes the handler. Its caches of what it has verified begin empty.
func (g *generation) proxy(o Options) (http.Handler, error) {
	c := g.config
	settings := resource.Config{
		Issuer: c.Issuer, Audience: c.Audience, Realm: c.Realm, Leeway: leeway(c.Leeway), Keys: g.keys,
		Clock: o.clock(), Logger: o.Logger,
	}
	if g.feed != nil { // a nil *following in the interface would be one
		settings.Revocations = g.feed
	}
	if c.Introspects() {
		asking, err := g.introspection(o)
		if err != nil {
			return nil, err
		}
		settings.Introspection = asking
	}
	verifier, err := resource.New(settings)
	if err != nil {
		return nil, err
	}
	return proxy.New(proxy.Config{
		Verifier: verifier, Routes: g.routes(), Transport: g.upstream, Recheck: time.Duration(c.StreamRecheck), Draining: o.draining,
		Limits: g.limits, Identity: c.Identity.Headers(), Metadata: c.Metadata(),
		MaxBodyBytes: int64(c.MaxBodyBytes), Logger: o.Logger, Clock: o.clock(), Observe: o.Metrics.Observe,
	})
}

// introspection makes the client that asks the issuer about tokens: the one that
// follows the feed.
func (g *generation) introspection(o Options) (*introspection.Client, error) {
	t := transport(g.in.issuerRoots)
	t.TLSClientConfig.Certificates = []tls.Certificate{*g.in.certificate}
	return introspection.New(introspection.Config{
		Issuer: g.config.Issuer, ClientID: g.config.Revocations.ClientID, HTTPClient: &http.Client{Transport: t}, Clock: o.clock(),
	})
}

// measured is what /metrics shows of it.
func (g *generation) measured(clock func() time.Time) ops.Proxy {
	shown := ops.Proxy{Keys: g.keys, Clock: clock}
	if g.feed != nil { // a nil *Follower in the interface would be one
		shown.Revocations = g.feed.Follower
		shown.ClientNotAfter = g.in.certificate.Leaf.NotAfter
	}
	return shown
}

// issuerKeys makes the cache of the issuer's keys, or takes it over.
func (g *generation) issuerKeys(o Options, earlier *generation) (*jwks.Remote, error) {
	if earlier != nil && earlier.config.Issuer == g.config.Issuer && earlier.in.issuerRoots.Equal(g.in.issuerRoots) {
		return earlier.keys, nil
	}
	return jwks.New(jwks.Config{
		Issuer: g.config.Issuer, Clock: o.clock(), Logger: o.Logger,
		HTTPClient: &http.Client{Timeout: 10 * time.Second, Transport: transport(g.in.issuerRoots)},
	})
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
