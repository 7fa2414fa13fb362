package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/certbound/certbound/cmd/certbound/internal/config"
	"github.com/certbound/certbound/resource/proxy"
)

// upstreams asks each API directly, as somebody would who goes past the proxy:
// without a token and without a certificate.
func (e *examination) upstreams(ctx context.Context, c *config.Proxy) {
	for _, u := range c.Upstreams {
		e.keyFile("upstreams."+u.Name+".tls.key", u.TLS.Key)
		e.clientCertificate("upstreams."+u.Name+".tls.certificate", u.TLS.Certificate)
		e.bundle("upstreams."+u.Name+".tls.ca", u.TLS.CA)
	}
	seen := map[string]bool{}
	for i, route := range c.ProxyRoutes() {
		if route.Upstream == nil || seen[route.Upstream.String()] {
			continue
		}
		seen[route.Upstream.String()] = true
		if socket, ok := strings.CutPrefix(address(c, i), "unix://"); ok {
			e.socket(socket)
			continue
		}
		e.upstream(ctx, c, route)
	}
}

// address is what the i-th route names: an upstream's URL, or its own.
func address(c *config.Proxy, i int) string {
	for _, u := range c.Upstreams {
		if u.Name == c.Routes[i].Upstream {
			return u.URL
		}
	}
	return c.Routes[i].Upstream
}

// socket looks at who may connect to a unix socket.
func (e *examination) socket(path string) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		e.add(Finding{Problem, "upstream", err.Error(), "requests are answered 502 upstream_unreachable", "start the API, or correct the path"})
	case info.Mode().Perm()&0o006 != 0:
		e.add(Finding{Warning, "upstream", fmt.Sprintf("unix socket %s has mode %04o", path, info.Mode().Perm()), "every user of this machine reaches the API past the proxy, as any client", "give the socket to a group that only proxy and API are in, and chmod 660"})
	default:
		e.ok("upstream", "unix socket %s lets in its owner and group only", path)
	}
}

func (e *examination) upstream(ctx context.Context, c *config.Proxy, route proxy.Route) {
	u := *route.Upstream
	local := loopback(u.Hostname())
	if u.Scheme == "http" && !local {
		e.add(Finding{Warning, "upstream_plaintext", u.Redacted() + " is reached in plain HTTP", "whoever can write to that network can be any client to the API, and read what it answers", "use https, with a client certificate of the proxy's (upstreams)"})
	}
	target := u
	if !strings.ContainsAny(route.Path, "{}") && len(route.Methods) > 0 {
		target.Path = strings.TrimSuffix(u.Path, "/") + route.Path
	}
	t := proxy.NewTransport()
	t.TLSClientConfig.InsecureSkipVerify = true //nolint:gosec // nothing is sent; whether somebody answers is the question
	defer t.CloseIdleConnections()
	a, err := ask(ctx, newClient(t), target.String())
	var op *net.OpError
	switch {
	case err == nil:
		e.bypass(&target, a.status, local)
	case errors.As(err, &op) && op.Op == "dial" || errors.Is(err, context.DeadlineExceeded):
		e.add(Finding{Problem, "upstream", fmt.Sprintf("%s: %v", target.Redacted(), inner(err)), "requests are answered 502 upstream_unreachable", "start the API, or correct the address"})
	case tlsRefusal(err):
		e.ok("upstream", "%s refuses who has no certificate", target.Redacted())
	default:
		e.add(Finding{Warning, "upstream", fmt.Sprintf("%s: %v", target.Redacted(), inner(err)), "it cannot be said whether the API answers past the proxy", "look at what listens there"})
	}
}

// bypass judges an answer that came without the proxy.
func (e *examination) bypass(target *url.URL, status int, local bool) {
	if status == http.StatusUnauthorized || status == http.StatusForbidden {
		e.ok("upstream", "%s asks for credentials of its own: %d", target.Redacted(), status)
		return
	}
	who := "whoever reaches this address"
	if local {
		who = "every process of this machine"
	}
	e.add(Finding{
		Warning, "upstream_bypass", fmt.Sprintf("%s answers %d without the proxy", target.Redacted(), status),
		who + " can call the API as any client: it believes the identity headers that only the proxy should set",
		"let only the proxy connect: a unix socket, mutual TLS with the proxy's certificate (upstreams), or a network policy",
	})
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// tlsRefusal reports whether the other side ended the handshake.
func tlsRefusal(err error) bool {
	var alert tls.AlertError
	return errors.As(err, &alert) || strings.Contains(err.Error(), "remote error: tls")
}
