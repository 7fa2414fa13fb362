package conformance

import (
	"crypto/tls"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/certbound/certbound/conformance/clause"
	"github.com/certbound/certbound/conformance/internal/harness"
	"github.com/certbound/certbound/keys/keystest"
)

// returning connects anew for each request and offers whatever it was given to
// resume by, at each TLS version a server may be set to.
func returning(t *testing.T, d *harness.Dev, pair *keystest.Pair, version uint16) *http.Client {
	t.Helper()
	client := d.HTTPClient(t, pair, func(config *tls.Config) {
		config.ClientSessionCache = tls.NewLRUClientSessionCache(8)
		config.MinVersion, config.MaxVersion = version, version
	})
	client.Transport.(*http.Transport).DisableKeepAlives = true
	return client
}

// TestResumptionOutlivesNothing: a client that comes back with what it kept of its
// session, after its certificate has expired and after its bundle was replaced, is
// judged as it is now. Revocation is in TestOneConnectionThroughEveryRevocation.
func TestResumptionOutlivesNothing(t *testing.T) {
	t.Parallel()
	clause.Covers(t, "RFC8705-3-e")
	for name, version := range map[string]uint16{"TLS 1.3": tls.VersionTLS13, "TLS 1.2": tls.VersionTLS12} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of it is waiting for a certificate to expire
			site := harness.NewSite(t, newUpstream(t).URL)
			for _, config := range []map[string]any{site.Serve, site.ProxyCfg} {
				config["tls"] = map[string]any{"certificate": "server.pem", "key": "server.key", "min_version": "1.2"}
			}
			d := site.Start(t)
			ends := time.Now().Add(12 * time.Second).Truncate(time.Second)
			brief, one := site.Partners.Client(t, keystest.DNS("one.test"), keystest.NotAfter(ends)), site.Client(t, "two")
			ask := func(pair *keystest.Pair, id string) func() *harness.Response {
				client := returning(t, d, pair, version)
				return func() *harness.Response {
					request := d.TokenRequest(nil, harness.TokenForm(id).Encode())
					request.Client = client
					resp := d.Send(t, request)
					if resp.TLS.DidResume || resp.TLS.Version != version {
						t.Errorf("resumed %t, version %x", resp.TLS.DidResume, resp.TLS.Version)
					}
					return resp
				}
			}
			expiring, staying := ask(&brief, "one"), ask(&one, "two")
			resp := expiring()
			if resp.Status != http.StatusOK {
				t.Fatalf("before it expires: %s", resp)
			}
			token := decodeToken(t, resp).AccessToken
			api := returning(t, d, &brief, version)
			call := func() *harness.Response {
				request := d.APIRequest(nil, token)
				request.Client = api
				return d.Send(t, request)
			}
			expectServed(t, d, call())
			if resp := staying(); resp.Status != http.StatusOK {
				t.Fatalf("before the bundle changes: %s", resp)
			}

			eventually(t, "the certificate expires", func() bool { return time.Now().After(ends) })
			expectRefusal(t, d, expiring(), badClient("certificate_expired"))
			// The token ends with the last second of the certificate, in which that is valid.
			if resp := call(); resp.Status != http.StatusUnauthorized || !slices.Contains([]string{"token_expired", "certificate_expired"}, reasonOf(resp)) {
				t.Errorf("at the API: %s", resp)
			}

			site.Partners = keystest.NewCA(t, "the next CA")
			site.Seed(t, "one", "two")
			eventually(t, "the bundle is replaced", func() bool { return staying().Status == http.StatusUnauthorized })
			expectRefusal(t, d, staying(), unbelieved("retired_bundle"))
		})
	}
}
