package process

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/certbound/certbound/cmd/certbound/internal/config"
	"github.com/certbound/certbound/keys/servertls"
	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/jwks"
	"github.com/certbound/certbound/resource/proxy"
	"github.com/certbound/certbound/resource/revokefeed"
)

// Proxy is a resource-server proxy that is ready to be served.
type Proxy struct {
	Server *http.Server
	// Ready is an error while the proxy refuses everybody because it does not know
	// what has been revoked. It has the shape of a probe.
	Ready func(context.Context) error
	stop  func() // ends the following of the feed, and waits for it
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
	p := &Proxy{stop: func() {}, Ready: func(context.Context) error { return nil }}
	verifier, err := p.verifier(c, o, issuerRoots)
	if err != nil {
		return nil, err
	}
	handler, err := proxy.New(proxy.Config{
		Verifier: verifier, Routes: c.ProxyRoutes(), Transport: transport(upstreamRoots),
		MaxBodyBytes: int64(c.MaxBodyBytes), Logger: o.Logger, Clock: o.clock(),
	})
	if err != nil {
		p.Close()
		return nil, fmt.Errorf("starting the proxy: %w", err)
	}
	p.Server = servertls.HTTPServer(handler, listener.TLSConfig(), o.Logger)
	p.Server.RegisterOnShutdown(p.Close) // requests under way are served by what is known
	return p, nil
}

// Close ends the work behind the requests. Call it after the listeners are drained.
func (p *Proxy) Close() { p.stop() }

// verifier makes the verifier, and starts to follow the feed when the
// configuration says how.
func (p *Proxy) verifier(c *config.Proxy, o Options, roots *x509.CertPool) (*resource.Verifier, error) {
	keys, err := jwks.New(jwks.Config{
		Issuer: c.Issuer, Clock: o.clock(), Logger: o.Logger,
		HTTPClient: &http.Client{Timeout: 10 * time.Second, Transport: transport(roots)},
	})
	if err != nil {
		return nil, fmt.Errorf("starting the proxy: %w", err)
	}
	config := resource.Config{
		Issuer: c.Issuer, Audience: c.Audience, Realm: c.Realm, Leeway: leeway(c.Leeway), Keys: keys,
		Clock: o.clock(), Logger: o.Logger,
	}
	if !c.Revocations.Followed() {
		o.Logger.Warn("revocations_not_followed", "detail", "a revoked token is accepted until it expires; see revocations in the configuration")
	} else {
		follower, err := newFollower(c, o, roots, keys)
		if err != nil {
			return nil, err
		}
		config.Revocations = follower
		p.Ready = func(context.Context) error { return follower.Ready() }
		p.follow(follower, o.Logger)
	}
	verifier, err := resource.New(config)
	if err != nil {
		p.Close()
		return nil, fmt.Errorf("starting the proxy: %w", err)
	}
	return verifier, nil
}

// newFollower makes the client of the revocation feed.
func newFollower(c *config.Proxy, o Options, roots *x509.CertPool, keys *jwks.Remote) (*revokefeed.Follower, error) {
	certificate, err := tls.LoadX509KeyPair(string(c.Revocations.Certificate), string(c.Revocations.Key))
	if err != nil {
		return nil, c.Source.Problem("revocations.certificate", err)
	}
	t := transport(roots)
	t.TLSClientConfig.Certificates = []tls.Certificate{certificate}
	t.ResponseHeaderTimeout = 0 // the server is asked to wait
	follower, err := revokefeed.NewFollower(revokefeed.FollowerConfig{
		Issuer: c.Issuer, ClientID: c.Revocations.ClientID, HTTPClient: &http.Client{Transport: t}, Keys: keys,
		MaxStaleness: time.Duration(c.Revocations.MaxStaleness), Clock: o.clock(), Logger: o.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("starting the proxy: %w", err)
	}
	return follower, nil
}

// follow runs the follower until Close.
func (p *Proxy) follow(f *revokefeed.Follower, logger *slog.Logger) {
	ctx, stop := context.WithCancel(context.Background()) // ended by Close
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := f.Run(ctx); err != nil {
			logger.ErrorContext(ctx, "revocations_not_followed", "detail", err.Error())
		}
	}()
	p.stop = func() {
		stop()
		<-done
	}
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
