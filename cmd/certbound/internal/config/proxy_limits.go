package config

import (
	"time"

	"github.com/certbound/certbound/ratelimit"
	"github.com/certbound/certbound/resource/proxy"
)

// RateLimits say how many requests callers may make. Each is optional.
type RateLimits struct {
	// Client is the rate of each client, by its verified token. Default: none.
	Client Rate `yaml:"client"`
	// Partner is the rate of all clients of a partner together. Default: none.
	Partner Rate `yaml:"partner"`
	// Address is the rate of each network address (IPv6: /64), before any work on the
	// token; callers behind one address share it. Default: none.
	Address Rate `yaml:"address"`
}

// Rate is a number of requests in a time.
type Rate struct {
	// Requests that may be made in each per. Required.
	Requests int `yaml:"requests"`
	// Per is the time they may be made in. Default 1s.
	Per Duration `yaml:"per"`
	// Burst is how many of them may come at once. Default: requests.
	Burst int `yaml:"burst"`
}

func (r *RateLimits) validate(c *checker) {
	for _, one := range []struct {
		name string
		rate Rate
	}{{"client", r.Client}, {"partner", r.Partner}, {"address", r.Address}} {
		at := "rate_limits." + one.name
		if one.rate == (Rate{}) {
			continue
		}
		if one.rate.Requests < 1 {
			c.problem(at+".requests", "required: a number of requests, 1 or more")
		}
		if one.rate.Per != 0 {
			c.within(at+".per", one.rate.Per, time.Second, 24*time.Hour)
		}
	}
}

// Rates are the rates as package proxy takes them.
func (r *RateLimits) Rates() proxy.Rates {
	return proxy.Rates{Client: r.Client.config(), Partner: r.Partner.config(), Address: r.Address.config()}
}

func (r Rate) config() ratelimit.Config {
	if r == (Rate{}) {
		return ratelimit.Config{}
	}
	c := ratelimit.Config{Requests: r.Requests, Per: time.Duration(r.Per), Burst: r.Burst}
	if c.Per == 0 {
		c.Per = time.Second
	}
	return c
}

// Identity is how upstreams learn of the caller's certificate. Client, partner and
// scopes stand in X-Certbound-Client, -Partner and -Scope in any case.
type Identity struct {
	// Certificate is client-cert (RFC 9440), xfcc (X-Forwarded-Client-Cert, as Envoy
	// writes it) or none. Default client-cert.
	Certificate string `yaml:"certificate"`
	// Chain adds the intermediates that the caller sent, which nobody has verified.
	// Default false.
	Chain bool `yaml:"chain"`
}

func (i *Identity) validate(c *checker) {
	if i.Certificate != "" {
		c.oneOf("identity.certificate", i.Certificate, "client-cert", "xfcc", "none")
	}
	if i.Certificate == "none" && i.Chain {
		c.problem("identity.chain", "a chain without its certificate says nothing")
	}
}

// Headers is the identity as package proxy takes it.
func (i *Identity) Headers() proxy.Identity {
	return proxy.Identity{Certificate: proxy.CertificateHeader(i.Certificate), Chain: i.Chain}
}

// Metadata is what the protected resource metadata says; nil when none is
// published.
func (p *Proxy) Metadata() *proxy.Metadata {
	if !p.ResourceMetadata || !proxy.IsResource(p.Audience) {
		return nil
	}
	return &proxy.Metadata{Resource: p.Audience, AuthorizationServers: []string{p.Issuer}}
}

// Introspects reports whether a route asks the issuer about tokens.
func (p *Proxy) Introspects() bool {
	for i := range p.Routes {
		if p.Routes[i].Introspect {
			return true
		}
	}
	return false
}

// validateIntrospection wants the client that may ask: the one that follows the
// feed.
func (p *Proxy) validateIntrospection(c *checker) {
	if p.Revocations.Followed() {
		return
	}
	for i := range p.Routes {
		if p.Routes[i].Introspect {
			c.problem(index("routes", i)+".introspect", "the authorization server answers the client of revocations only: set client_id, certificate and key there")
		}
	}
}
