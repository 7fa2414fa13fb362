package conformance

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/certbound/certbound/conformance/clause"
	"github.com/certbound/certbound/conformance/internal/harness"
)

// TestOneConnectionThroughEveryRevocation holds one TLS connection to the proxy
// open while its token is revoked, its client disabled and enabled, and at last its
// certificate revoked. Each ends what it should, by its own reason, on that very
// connection; and a client that comes back with what it kept of its TLS session
// gets the same answer, whether or not the session is resumed.
func TestOneConnectionThroughEveryRevocation(t *testing.T) {
	t.Parallel()
	clause.Covers(t, "RFC7009-2-1-b")
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(protocol, func(t *testing.T) {
			d := harness.Start(t)
			c := newCaller(t, d, "acme-billing")
			c.client = oneConnection(t, d, c, protocol == "HTTP/2.0")
			returning := returningClient(t, d, c)
			ended := func(want string) {
				t.Helper()
				if reason := c.ends(t); reason != want {
					t.Errorf("on the open connection: %s, want %s", reason, want)
				}
				again := c.d.APIRequest(&c.pair, c.token)
				again.Client = returning
				if response := c.d.Send(t, again); response.Status != http.StatusUnauthorized || reasonOf(response) != want {
					t.Errorf("resumed %t: %s, want %s", response.TLS.DidResume, response, want)
				}
			}
			served := func() {
				t.Helper()
				c.token = d.Token(t, &c.pair, harness.TokenForm("acme-billing")).AccessToken
				expectServed(t, d, c.call(t))
			}

			served()
			response := form(t, d, d.Revocation, &c.pair, url.Values{"client_id": {"acme-billing"}, "token": {c.token}})
			if response.Status != http.StatusOK {
				t.Fatalf("revocation: %s", response)
			}
			ended("token_revoked")

			served()
			mustAdmin(t, d, "client", "disable", "acme-billing", "--reason", "test")
			ended("client_disabled")
			mustAdmin(t, d, "client", "enable", "acme-billing")
			ended("client_disabled") // what was dead stays dead

			served()
			mustAdmin(t, d, "cert", "revoke", thumbprintOf(c.pair), "--reason", "test")
			ended("certificate_revoked")
		})
	}
}

var errSecondConnection = errors.New("the connection was closed: it had to be one")

// oneConnection is a client that connects once and never again.
func oneConnection(t *testing.T, d *harness.Dev, c *caller, http2 bool) *http.Client {
	t.Helper()
	client := d.HTTPClient(t, &c.pair, func(config *tls.Config) {
		if http2 {
			config.NextProtos = []string{"h2"}
		}
	})
	transport := client.Transport.(*http.Transport)
	transport.ForceAttemptHTTP2 = http2
	config := transport.TLSClientConfig.Clone()
	config.ServerName = "localhost"
	var dialled atomic.Bool
	transport.DialTLSContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if dialled.Swap(true) {
			return nil, errSecondConnection
		}
		conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		if got := conn.(*tls.Conn).ConnectionState().NegotiatedProtocol; (got == "h2") != http2 {
			return nil, fmt.Errorf("negotiated %q", got)
		}
		return conn, nil
	}
	return client
}

// returningClient connects anew for each request and offers what the server gave
// it to resume by. It has been served once.
func returningClient(t *testing.T, d *harness.Dev, c *caller) *http.Client {
	t.Helper()
	cache := tls.NewLRUClientSessionCache(4)
	client := d.HTTPClient(t, &c.pair, func(config *tls.Config) { config.ClientSessionCache = cache })
	client.Transport.(*http.Transport).DisableKeepAlives = true
	request := d.APIRequest(&c.pair, c.token)
	request.Client = client
	expectServed(t, d, d.Send(t, request))
	return client
}
