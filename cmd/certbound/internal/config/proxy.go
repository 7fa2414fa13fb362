package config

import (
	"net/url"
	"time"
)

// Proxy is the configuration of `certbound proxy`, the resource-server proxy.
type Proxy struct {
	// Version of this file's shape. Required, always 1.
	Version int `yaml:"version" env:"-"`
	// Listen is the host:port callers connect to. Default 127.0.0.1:8444.
	Listen string `yaml:"listen" env:"LISTEN"`
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
	// Realm is shown in WWW-Authenticate. Default: none.
	Realm string `yaml:"realm" env:"REALM"`
	// UpstreamCA is a PEM file with the roots that sign the certificates of https
	// upstreams. Required when a route has an https upstream.
	UpstreamCA Path `yaml:"upstream_ca" env:"UPSTREAM_CA_FILE"`
	// Routes are what is let through; everything else is 404. Required.
	Routes []Route `yaml:"routes" env:"-"`
	// Ops is the listener of /livez and /readyz. Default: none.
	Ops Ops `yaml:"ops" envPrefix:"OPS_"`

	Source *Source `yaml:"-" env:"-"` // where the settings were read
}

// Route lets some requests through to an upstream.
type Route struct {
	// Path is a template: /accounts/{id}. Required.
	Path string `yaml:"path"`
	// Methods are the HTTP methods allowed, in capitals. Required.
	Methods []string `yaml:"methods"`
	// Scopes the token must hold, all of them. Required, unless any_scope.
	Scopes []string `yaml:"scopes"`
	// AnyScope lets every valid, bound token through, whatever its scopes.
	// Default false.
	AnyScope bool `yaml:"any_scope"`
	// Upstream is the http or https URL of the API behind. Required.
	Upstream string `yaml:"upstream"`
	// ForwardToken passes the Authorization header on. Default false.
	ForwardToken bool `yaml:"forward_token"`
	// InsecurePlaintextUpstream allows an http upstream that is not on loopback.
	// Whoever can write to that network can be any client. Default false.
	InsecurePlaintextUpstream bool `yaml:"insecure_plaintext_upstream"`
}

func defaultProxy() *Proxy {
	return &Proxy{
		Listen: "127.0.0.1:8444",
		Leeway: Duration(DefaultLeeway),
		TLS:    TLS{MinVersion: "1.3"},
	}
}

func (p *Proxy) validate(c *checker) {
	c.version(p.Version)
	c.address("listen", p.Listen)
	c.tls(p.TLS)
	c.https("issuer", p.Issuer)
	c.required("issuer_ca", string(p.IssuerCA))
	c.required("audience", p.Audience)
	if p.Leeway < 0 || p.Leeway > Duration(MaxLeeway) || p.Leeway%Duration(time.Second) != 0 {
		c.problem("leeway", "%s is outside 0s … 30s in whole seconds", p.Leeway)
	}
	c.opsAddress(p.Ops.Listen)
	if len(p.Routes) == 0 {
		c.problem("routes", "required: without a route every request is answered 404")
	}
	for i := range p.Routes {
		p.validateRoute(c, index("routes", i), &p.Routes[i])
	}
}

// validateRoute checks what it takes to hand a route on. What its path, methods
// and scopes may be is judged by package proxy, whose errors internal/process
// places in the file.
func (p *Proxy) validateRoute(c *checker, at string, r *Route) {
	c.required(at+".path", r.Path)
	u, err := url.Parse(r.Upstream)
	switch {
	case r.Upstream == "":
		c.required(at+".upstream", "")
	case err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		c.problem(at+".upstream", "%q is not an http or https URL without user, query and fragment", r.Upstream)
	case u.Scheme == "https" && p.UpstreamCA == "":
		c.problem(at+".upstream", "an https upstream needs upstream_ca: the system's roots are not used")
	}
}
