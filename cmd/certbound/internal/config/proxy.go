package config

import (
	"time"

	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/revokefeed"
)

// Proxy is the configuration of `certbound proxy`, the resource-server proxy.
type Proxy struct {
	// Version of this file's shape. Required, always 1.
	Version int `yaml:"version" env:"-"`
	// Listen is the host:port callers connect to. Default 127.0.0.1:8444.
	Listen string `yaml:"listen" env:"LISTEN" reload:"restart"`
	// TLS of that listener. Required.
	TLS TLS `yaml:"tls" envPrefix:"TLS_"`
	// Issuer is the only authorization server whose tokens are accepted. Required.
	Issuer string `yaml:"issuer" env:"ISSUER"`
	// IssuerCA is a PEM file with the roots that sign the issuer's server
	// certificate, used to fetch its metadata and keys. The system's roots are
	// never fallen back to. Required.
	IssuerCA Path `yaml:"issuer_ca" env:"ISSUER_CA_FILE"`
	// Audience that tokens must be made for, exactly. Required.
	Audience string `yaml:"audience" env:"AUDIENCE"`
	// Leeway for iat and nbf between our clock and the issuer's; exp has none.
	// Default 10s, at most 30s.
	Leeway Duration `yaml:"leeway" env:"LEEWAY"`
	// Realm is shown in WWW-Authenticate. Default: the audience.
	Realm string `yaml:"realm" env:"REALM"`
	// MaxBodyBytes is the largest request body that is let through; a larger one is
	// 413. At least 1: there is no way to say "unlimited". Default 10485760, 10 MiB.
	MaxBodyBytes int `yaml:"max_body_bytes" env:"MAX_BODY_BYTES"`
	// UpstreamCA is a PEM file with the roots that sign the certificates of https
	// upstreams. Required when a route has an https upstream.
	UpstreamCA Path `yaml:"upstream_ca" env:"UPSTREAM_CA_FILE"`
	// StreamRecheck is how often a request that is still being served is looked at
	// again: a revocation ends it at most this long after the proxy has heard of it.
	// Default 1s, at most 1m.
	StreamRecheck Duration `yaml:"stream_recheck" env:"STREAM_RECHECK"`
	// RateLimits hold callers to their rates. Default: no rates.
	RateLimits RateLimits `yaml:"rate_limits" env:"-"`
	// Identity is how upstreams learn of the caller's certificate.
	Identity Identity `yaml:"identity" env:"-"`
	// ResourceMetadata publishes RFC 9728's document at
	// /.well-known/oauth-protected-resource, and names it in challenges, if the
	// audience is an https URL. Default true.
	ResourceMetadata bool `yaml:"resource_metadata" env:"RESOURCE_METADATA"`
	// Upstreams are the APIs behind the proxy that need more said of them than a URL.
	// Default: none.
	Upstreams []Upstream `yaml:"upstreams" env:"-"`
	// Revocations follows the authorization server's revocation feed. Without it a
	// revoked token is accepted until it expires.
	Revocations Revocations `yaml:"revocations" envPrefix:"REVOCATIONS_"`
	// Routes are what is let through; everything else is 404. Required.
	Routes []Route `yaml:"routes" env:"-"`
	// Ops is the listener of /livez, /readyz and /metrics. Default: none.
	Ops Ops `yaml:"ops" envPrefix:"OPS_" reload:"restart"`

	Source *Source `yaml:"-" env:"-"` // where the settings were read
}

// Revocations configures how the proxy learns what has been revoked: as a client of
// the authorization server that an API names as its resource server. All of
// client_id, certificate and key, or none.
type Revocations struct {
	// ClientID the authorization server knows this proxy by.
	ClientID string `yaml:"client_id" env:"CLIENT_ID"`
	// Certificate is a PEM file: that client's certificate, then its intermediates.
	Certificate Path `yaml:"certificate" env:"CERTIFICATE_FILE"`
	// Key is a PEM file with the private key of the certificate.
	Key Path `yaml:"key" env:"KEY_FILE"`
	// MaxStaleness is how long the proxy serves without a good answer; then every
	// request is 503 until there is one. Default 30s, 1s to 1h.
	MaxStaleness Duration `yaml:"max_staleness" env:"MAX_STALENESS"`
}

// Followed reports whether the feed is to be followed.
func (r *Revocations) Followed() bool { return r.ClientID != "" || r.Certificate != "" || r.Key != "" }

func defaultProxy() *Proxy {
	return &Proxy{
		Listen:           "127.0.0.1:8444",
		Leeway:           Duration(DefaultLeeway),
		StreamRecheck:    DefaultStreamRecheck,
		ResourceMetadata: true,
		MaxBodyBytes:     DefaultMaxBodyBytes,
		TLS:              TLS{MinVersion: "1.3"},
		Revocations:      Revocations{MaxStaleness: Duration(revokefeed.DefaultMaxStaleness)},
	}
}

func (p *Proxy) validate(c *checker) {
	c.version(p.Version)
	c.address("listen", p.Listen)
	c.tls(p.TLS)
	c.https("issuer", p.Issuer)
	c.required("issuer_ca", string(p.IssuerCA))
	c.required("audience", p.Audience)
	c.within("leeway", p.Leeway, 0, resource.MaxLeeway)
	if p.MaxBodyBytes < 1 {
		c.problem("max_body_bytes", "%d is not a size: write a number of bytes, 1 or more", p.MaxBodyBytes)
	}
	c.within("stream_recheck", p.StreamRecheck, time.Second, time.Minute)
	p.validateUpstreams(c)
	p.RateLimits.validate(c)
	p.Identity.validate(c)
	if p.Revocations.Followed() {
		c.required("revocations.client_id", p.Revocations.ClientID)
		c.required("revocations.certificate", string(p.Revocations.Certificate))
		c.required("revocations.key", string(p.Revocations.Key))
		c.within("revocations.max_staleness", p.Revocations.MaxStaleness, time.Second, time.Hour)
	}
	c.opsAddress(p.Ops.Listen)
	if len(p.Routes) == 0 {
		c.problem("routes", "required: without a route every request is answered 404")
	}
	p.validateRoutes(c)
	p.validateIntrospection(c)
}
