package config

import (
	"strings"
	"time"

	"github.com/certbound/certbound/resource/proxy"
)

// Upstream is an API behind the proxy, and how it is reached.
type Upstream struct {
	// Name by which routes name it. Required; letters, digits, '-', '_' and '.'.
	Name string `yaml:"name"`
	// URL of the API: http or https with a base path if need be, or unix:// and the
	// path of a socket. Required.
	URL string `yaml:"url"`
	// TLS towards an https upstream.
	TLS UpstreamTLS `yaml:"tls"`
	// Protocol is auto (HTTP/2 where TLS negotiates it, or else HTTP/1.1), http1, or
	// h2c: HTTP/2 without TLS, for gRPC behind http or a socket. Default auto.
	Protocol string `yaml:"protocol"`
	// Timeouts are the time limits of this upstream.
	Timeouts UpstreamTimeouts `yaml:"timeouts"`
	// InsecurePlaintext allows an http URL that is not on loopback. Whoever can write
	// to that network can be any client. Default false.
	InsecurePlaintext bool `yaml:"insecure_plaintext"`
}

// UpstreamTLS is the proxy's side of TLS towards an upstream.
type UpstreamTLS struct {
	// CA is a PEM file with the roots that sign the upstream's certificate. Default:
	// upstream_ca.
	CA Path `yaml:"ca"`
	// Certificate is a PEM file with what the proxy shows the upstream: certificate,
	// then intermediates. Default: none.
	Certificate Path `yaml:"certificate"`
	// Key is a PEM file with the private key of the certificate. Required with it.
	Key Path `yaml:"key"`
	// ServerName the upstream's certificate must be for. Default: the host of url.
	ServerName string `yaml:"server_name"`
}

// UpstreamTimeouts bound each phase of a request, in whole seconds.
type UpstreamTimeouts struct {
	// Dial bounds connecting. Default 5s.
	Dial Duration `yaml:"dial"`
	// TLSHandshake bounds the handshake. Default 5s.
	TLSHandshake Duration `yaml:"tls_handshake"`
	// ResponseHeader bounds the wait for the head of the answer, once the request is
	// sent. Default 30s.
	ResponseHeader Duration `yaml:"response_header"`
	// IdleConnection is how long a connection is kept without a request. Default 90s.
	IdleConnection Duration `yaml:"idle_connection"`
	// StreamIdle bounds the time in which no byte of request or answer moves, also in
	// WebSockets and event streams. Default: no bound.
	StreamIdle Duration `yaml:"stream_idle"`
	// Request bounds the exchange as a whole, streams included. Default: no bound.
	Request Duration `yaml:"request"`
}

// upstream returns the upstream of that name, nil when there is none.
func (p *Proxy) upstream(name string) *Upstream {
	for i := range p.Upstreams {
		if p.Upstreams[i].Name == name && name != "" {
			return &p.Upstreams[i]
		}
	}
	return nil
}

func (p *Proxy) validateUpstreams(c *checker) {
	for i := range p.Upstreams {
		u, at := &p.Upstreams[i], index("upstreams", i)
		notName := func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_.", r)
		}
		switch first := p.upstream(u.Name); {
		case !c.required(at+".name", u.Name):
		case strings.ContainsFunc(u.Name, notName):
			c.problem(at+".name", "%q is not a name: letters, digits, '-', '_' and '.'", u.Name)
		case first != u:
			c.problem(at+".name", "%q is the name of an earlier upstream", u.Name)
		}
		if err := proxy.CheckUpstream(u.URL, u.InsecurePlaintext); err != nil {
			c.problem(at+".url", "%s", withoutPrefix(err))
		}
		if u.Protocol != "" {
			c.oneOf(at+".protocol", u.Protocol, "auto", "http1", "h2c")
		}
		u.validateTLS(c, at, p.UpstreamCA != "")
		u.Timeouts.validate(c, at+".timeouts.")
	}
}

func (u *Upstream) validateTLS(c *checker, at string, usualCA bool) {
	https := strings.HasPrefix(u.URL, "https://")
	switch {
	case https && u.TLS.CA == "" && !usualCA:
		c.problem(at+".tls.ca", "an https upstream needs it, or upstream_ca: the system's roots are not used")
	case https && u.Protocol == "h2c":
		c.problem(at+".protocol", "h2c is HTTP/2 without TLS; https negotiates HTTP/2 by itself")
	case !https && u.TLS != (UpstreamTLS{}):
		c.problem(at+".tls", "there is no TLS to an upstream that is not https")
	}
	if u.TLS.Certificate != "" || u.TLS.Key != "" {
		c.required(at+".tls.certificate", string(u.TLS.Certificate))
		c.required(at+".tls.key", string(u.TLS.Key))
	}
}

func (t *UpstreamTimeouts) validate(c *checker, at string) {
	for _, limit := range []struct {
		name string
		d    Duration
	}{
		{"dial", t.Dial}, {"tls_handshake", t.TLSHandshake}, {"response_header", t.ResponseHeader},
		{"idle_connection", t.IdleConnection}, {"stream_idle", t.StreamIdle}, {"request", t.Request},
	} {
		if limit.d != 0 {
			c.within(at+limit.name, limit.d, time.Second, 24*time.Hour)
		}
	}
}

// Transport is how the upstream is reached, as far as the file alone says it:
// roots and certificates are for whoever opens the files.
func (u *Upstream) Transport() proxy.TransportConfig {
	t := proxy.TransportConfig{
		ServerName: u.TLS.ServerName,
		Dial:       time.Duration(u.Timeouts.Dial), TLSHandshake: time.Duration(u.Timeouts.TLSHandshake),
		IdleConnection: time.Duration(u.Timeouts.IdleConnection),
	}
	if u.Protocol != "auto" {
		t.Protocol = proxy.Protocol(u.Protocol)
	}
	t.Socket, _ = strings.CutPrefix(u.URL, "unix://")
	if t.Socket == u.URL {
		t.Socket = ""
	}
	return t
}
