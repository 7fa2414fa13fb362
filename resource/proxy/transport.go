package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"time"
)

// TransportConfig says how an upstream is reached. The zero value is a good one
// for http; https needs RootCAs.
type TransportConfig struct {
	// Socket is the path of a unix socket, dialed whatever the address says.
	Socket string
	// RootCAs sign the upstream's certificate. nil means none: the system's roots are
	// never used.
	RootCAs *x509.CertPool
	// Certificates are shown to an upstream that asks for one (mutual TLS).
	Certificates []tls.Certificate
	// ServerName the upstream's certificate must be for; "" means the host of its
	// address.
	ServerName string
	// Protocol of HTTP towards the upstream.
	Protocol Protocol

	// Dial bounds the time to connect. 0 means 5 s.
	Dial time.Duration
	// TLSHandshake bounds the time of the handshake. 0 means 5 s.
	TLSHandshake time.Duration
	// IdleConnection bounds how long a connection is kept without a request. 0 means
	// 90 s.
	IdleConnection time.Duration
	// MaxIdleConnections bounds how many are kept for each host. 0 means 64.
	MaxIdleConnections int
}

// Protocol is a version of HTTP towards an upstream.
type Protocol string

// The protocols.
const (
	AutoProtocol Protocol = ""      // HTTP/2 where TLS negotiates it, or else HTTP/1.1
	HTTP1        Protocol = "http1" // HTTP/1.1 only
	H2C          Protocol = "h2c"   // HTTP/2 without TLS, by prior knowledge: for gRPC behind http or a socket
)

// usualResponseHeader is what [Route.ResponseHeader] says where it says nothing.
const usualResponseHeader = 30 * time.Second

// NewTransport returns a transport for requests that no [Route] watches over: it
// bounds the time to the head of the answer itself, to 30 s.
func NewTransport() *http.Transport {
	t := TransportConfig{}.New()
	t.ResponseHeaderTimeout = usualResponseHeader
	return t
}

// New returns the transport, for a [Route], which bounds the time to the head of an
// answer. It reads no proxy settings from the environment:
// whoever sets them would receive every verified identity. It asks for no
// compression of its own, so that bodies pass as they are. WebSockets are opened
// over HTTP/1.1 whatever Protocol says of TLS; over H2C they cannot be.
func (c TransportConfig) New() *http.Transport {
	roots := c.RootCAs
	if roots == nil {
		roots = x509.NewCertPool() // empty; nil would mean the system's
	}
	t := &http.Transport{
		Proxy:       nil,
		DialContext: c.dialer(),
		TLSClientConfig: &tls.Config{
			MinVersion: tls.VersionTLS12, RootCAs: roots, Certificates: c.Certificates, ServerName: c.ServerName,
		},
		TLSHandshakeTimeout:    orDefault(c.TLSHandshake, 5*time.Second),
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		ForceAttemptHTTP2:      c.Protocol != HTTP1,
		DisableCompression:     true,
		MaxIdleConns:           512,
		MaxIdleConnsPerHost:    64,
		IdleConnTimeout:        orDefault(c.IdleConnection, 90*time.Second),
		HTTP2:                  &http.HTTP2Config{MaxReceiveBufferPerStream: receiveBuffer},
	}
	if c.MaxIdleConnections > 0 {
		t.MaxIdleConnsPerHost = c.MaxIdleConnections
	}
	switch c.Protocol {
	case HTTP1:
		t.Protocols = new(http.Protocols)
		t.Protocols.SetHTTP1(true)
	case H2C:
		t.Protocols = new(http.Protocols)
		t.Protocols.SetUnencryptedHTTP2(true)
	}
	return t
}

// receiveBuffer bounds what an upstream that speaks HTTP/2 may send ahead of a
// caller who does not read. Go's own 4 MiB would let one caller with 250 streams
// have a gigabyte of answers held for them.
const receiveBuffer = 256 << 10

func (c TransportConfig) dialer() func(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: orDefault(c.Dial, 5*time.Second), KeepAlive: 30 * time.Second}
	if c.Socket == "" {
		return dialer.DialContext
	}
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, "unix", c.Socket)
	}
}

func orDefault(d, usual time.Duration) time.Duration {
	if d == 0 {
		return usual
	}
	return d
}

// sockets gives each unix socket of the routes a transport, unless they bring one.
func sockets(routes []Route) []Route {
	out := make([]Route, len(routes))
	bySocket := map[string]http.RoundTripper{}
	for i, r := range routes {
		if u := r.Upstream; u != nil && u.Scheme == "unix" && r.Transport == nil {
			if bySocket[u.Path] == nil {
				bySocket[u.Path] = TransportConfig{Socket: u.Path}.New()
			}
			r.Transport = bySocket[u.Path]
		}
		out[i] = r
	}
	return out
}
