package conformance

import (
	"crypto/tls"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/certbound/certbound/conformance/clause"
	"github.com/certbound/certbound/conformance/internal/harness"
	"github.com/certbound/certbound/keys/keystest"
)

// TestDatabaseThatTakesNoWrites: without a record nothing leaves and nothing is
// acknowledged, refusals are answered as ever, and all comes back by itself, on
// the connections that were open before.
func TestDatabaseThatTakesNoWrites(t *testing.T) {
	t.Parallel()
	clause.Covers(t, "CERTBOUND-10", "RFC7009-2-2-1")
	for _, o := range outages(t) {
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			d := o.start(t)
			acme, administrator := d.Pair(t, "acme-billing"), d.Pair(t, d.AdminClient.ClientID)
			token := d.Token(t, &acme, harness.TokenForm("acme-billing")).AccessToken
			adminToken := d.Token(t, &administrator, harness.TokenForm("admin", "resource", d.Issuer+"/admin")).AccessToken
			probes := []*probe{
				newProbe(t, d, "token", &acme, d.TokenRequest(nil, harness.TokenForm("acme-billing").Encode()), 503, "audit_unavailable"),
				newProbe(t, d, "API call", &acme, d.APIRequest(nil, token), 200, ""),
				newProbe(t, d, "another's name", &acme, d.TokenRequest(nil, harness.TokenForm("mallory-app").Encode()), 401, "client_authentication_failed"),
				newProbe(t, d, "revocation", &acme, revocation(d, "acme-billing", token), 503, "storage_unavailable"),
				newProbe(t, d, "disable", &administrator, adminChange(d, adminToken, "clients/mallory-app/disable"), 503, "storage_unavailable"),
				newProbe(t, d, "revoke certificate", &administrator,
					adminChange(d, adminToken, "certificates/"+thumbprintOf(d.Pair(t, "globex-app"))+"/revoke"), 503, "storage_unavailable"),
			}
			end := sync.OnceFunc(o.begin(t, d))
			t.Cleanup(end) // before the server stops: it has to end in order
			var all sync.WaitGroup
			for _, p := range probes {
				all.Go(func() { p.duringOutage(t) })
			}
			all.Wait()
			if active := introspected(t, d, token)["active"]; active != true {
				t.Errorf("a revocation that was refused took effect: active is %v", active)
			}
			end()
			probes[0].untilServed(t)
			if shown := mustAdmin(t, d, "client", "show", "mallory-app"); !strings.Contains(shown, "enabled") {
				t.Errorf("a change that was refused was made:\n%s", shown)
			}
			for _, p := range probes[1:] {
				p.afterOutage(t)
			}
			mallory := d.Pair(t, "mallory-app")
			expectRefusal(t, d, d.PostToken(t, &mallory, harness.TokenForm("mallory-app")), unbelieved("client_disabled"))
			expectWhole(t, d, []string{tokenID(t, token)}, nil)
		})
	}
}

// probe is one request that is sent again and again on one connection.
type probe struct {
	d          *harness.Dev
	name       string
	request    harness.Request
	handshakes *atomic.Int64
	status     int    // during the outage
	reason     string // the same
}

func newProbe(t *testing.T, d *harness.Dev, name string, pair *keystest.Pair, request harness.Request, status int, reason string) *probe {
	t.Helper()
	p := &probe{d: d, name: name, request: request, handshakes: new(atomic.Int64), status: status, reason: reason}
	p.request.Client = d.HTTPClient(t, pair, func(c *tls.Config) {
		c.VerifyConnection = func(tls.ConnectionState) error { p.handshakes.Add(1); return nil }
	})
	origin, err := url.Parse(request.URL)
	if err != nil {
		t.Fatal(err)
	}
	origin.Path = "/nowhere" // opens the connection and does nothing else
	d.Send(t, harness.Request{Method: http.MethodGet, URL: origin.String(), Client: p.request.Client})
	return p
}

func (p *probe) send(t *testing.T) *harness.Response {
	response, err := p.d.Try(t, p.request)
	if err != nil {
		t.Errorf("%s: %v", p.name, err)
		return &harness.Response{}
	}
	return response
}

func (p *probe) duringOutage(t *testing.T) {
	response := p.send(t)
	if reason := reasonOf(response); response.Status != p.status || reason != p.reason {
		t.Errorf("%s: %s; want %d %s", p.name, response, p.status, p.reason)
	}
	if response.Status == http.StatusServiceUnavailable && response.Header.Get("Retry-After") == "" {
		t.Errorf("%s: 503 without Retry-After", p.name)
	}
}

// untilServed waits for the end of the outage to show.
func (p *probe) untilServed(t *testing.T) {
	t.Helper()
	deadline := time.After(patience)
	for response := p.send(t); response.Status != http.StatusOK; response = p.send(t) {
		select {
		case <-deadline:
			t.Fatalf("%s: still %s", p.name, response)
		default:
		}
	}
}

func (p *probe) afterOutage(t *testing.T) {
	t.Helper()
	want := p.status
	if want == http.StatusServiceUnavailable {
		want = http.StatusOK
	}
	if response := p.send(t); response.Status != want {
		t.Errorf("%s, after the outage: %s", p.name, response)
	}
	if n := p.handshakes.Load(); n != 1 {
		t.Errorf("%s: it had to connect %d times", p.name, n)
	}
}
