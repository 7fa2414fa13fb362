package config

import (
	"strings"
	"time"

	"github.com/certbound/certbound/resource/proxy"
)

// Route lets some requests through to an upstream.
type Route struct {
	// Hosts the route answers to: names in ASCII, IP addresses, or *.example.com for
	// exactly one label more; case and port do not count. Default: every host.
	Hosts []string `yaml:"hosts"`
	// Path is a template: /accounts/{id}. Required.
	Path string `yaml:"path"`
	// Methods are the HTTP methods allowed, in capitals. Required.
	Methods []string `yaml:"methods"`
	// Scopes the token must hold: a list means all of them. Required, unless
	// any_scope.
	Scopes Scopes `yaml:"scopes"`
	// AnyScope lets every valid, bound token through, whatever its scopes.
	// Default false.
	AnyScope bool `yaml:"any_scope"`
	// Introspect asks the authorization server about each token on each request
	// (RFC 7662), as the client of revocations. Default false.
	Introspect bool `yaml:"introspect"`
	// Partners whose clients may call, by the token's partner claim. Default: all.
	Partners []string `yaml:"partners"`
	// Clients that may call, by the token's client_id; with partners, both must
	// hold. Default: all.
	Clients []string `yaml:"clients"`
	// Unbound also lets tokens through that are bound to no certificate: whoever
	// holds one can use it. A bound token still needs its certificate. Default false.
	Unbound bool `yaml:"unbound"`
	// Upstream is the API behind: the name of one of upstreams, an http or https
	// URL, or unix:// and the path of a socket. Required.
	Upstream string `yaml:"upstream"`
	// WebSocket lets WebSockets through, opened by GET over HTTP/1.1. They end with
	// their token. Default false.
	WebSocket bool `yaml:"websocket"`
	// EndAtExpiry breaks off every transfer, and not only event streams and
	// WebSockets, when the token expires that it was asked for with. Default false.
	EndAtExpiry bool `yaml:"end_at_expiry"`
	// MaxBodyBytes is the largest request body on this route, in bytes. Default: that
	// of the whole proxy.
	MaxBodyBytes int `yaml:"max_body_bytes"`
	// ForwardToken passes the Authorization header on. Default false.
	ForwardToken bool `yaml:"forward_token"`
	// InsecurePlaintextUpstream allows an http upstream that is not on loopback.
	// Whoever can write to that network can be any client. Default false.
	InsecurePlaintextUpstream bool `yaml:"insecure_plaintext_upstream"`
}

// Scopes are what a token must hold. A plain list is all_of.
type Scopes struct {
	// AllOf are scopes that are all needed. Default: none.
	AllOf []string `yaml:"all_of" list:"true"`
	// AnyOf are scopes of which one is needed, besides all of all_of. Default: none.
	AnyOf []string `yaml:"any_of"`
}

// validateRoutes lets package proxy judge the routes, and says where in the file
// what it finds is.
func (p *Proxy) validateRoutes(c *checker) {
	routes, unread := p.proxyRoutes()
	for i, err := range unread {
		c.problem(index("routes", i)+".upstream", "%s", withoutPrefix(err))
	}
	for _, fault := range proxy.RouteErrors(proxy.CheckRoutes(routes)) {
		if unread[fault.Index] == nil || fault.Field != "upstream" {
			c.problem(index("routes", fault.Index)+"."+fault.Field, "%w", fault.Err)
		}
	}
	for i, route := range routes {
		named := p.upstream(p.Routes[i].Upstream) != nil
		if !named && route.Upstream != nil && route.Upstream.Scheme == "https" && p.UpstreamCA == "" {
			c.problem(index("routes", i)+".upstream", "an https upstream needs upstream_ca: the system's roots are not used")
		}
	}
}

// ProxyRoutes returns the routes of a valid configuration as package proxy takes
// them, without transports.
func (p *Proxy) ProxyRoutes() []proxy.Route {
	routes, _ := p.proxyRoutes()
	return routes
}

// proxyRoutes leaves an upstream that cannot be read out, and says why by the
// index of its route.
func (p *Proxy) proxyRoutes() (routes []proxy.Route, unread map[int]error) {
	routes, unread = make([]proxy.Route, len(p.Routes)), map[int]error{}
	for i, r := range p.Routes {
		routes[i] = proxy.Route{
			Path: r.Path, Methods: r.Methods, Hosts: r.Hosts,
			Scopes: r.Scopes.AllOf, AnyOfScopes: r.Scopes.AnyOf, AnyScope: r.AnyScope,
			Partners: r.Partners, Clients: r.Clients, InsecureAllowUnbound: r.Unbound, Introspect: r.Introspect,
			ForwardToken: r.ForwardToken, InsecurePlaintextUpstream: r.InsecurePlaintextUpstream,
			WebSocket: r.WebSocket, EndAtExpiry: r.EndAtExpiry, MaxBodyBytes: int64(r.MaxBodyBytes),
		}
		address := r.Upstream
		if named := p.upstream(address); named != nil {
			address = named.URL
			routes[i].ResponseHeader = time.Duration(named.Timeouts.ResponseHeader)
			routes[i].Timeout, routes[i].StreamIdle = time.Duration(named.Timeouts.Request), time.Duration(named.Timeouts.StreamIdle)
			routes[i].InsecurePlaintextUpstream = r.InsecurePlaintextUpstream || named.InsecurePlaintext
		}
		var err error
		if routes[i].Upstream, err = proxy.ParseUpstream(address); err != nil {
			unread[i] = err
		}
	}
	return routes, unread
}

// withoutPrefix cuts package proxy's prefix off: the place in the file stands in
// front.
func withoutPrefix(err error) string { return strings.TrimPrefix(err.Error(), "proxy: ") }
