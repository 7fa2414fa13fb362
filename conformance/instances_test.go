package conformance

import (
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/certbound/certbound/conformance/internal/harness"
	"github.com/certbound/certbound/keys/keystest"
)

// twoInstances are authorization servers of one issuer on one database. The first
// has the admin API.
func twoInstances(t *testing.T) (site *harness.Site, a, b *harness.Dev) {
	t.Helper()
	site = harness.NewSite(t, newUpstream(t).URL)
	admin, second := harness.FreePort(t), harness.FreePort(t)
	cert, _ := keystest.SelfSigned(t, keystest.CommonName("admin")).WriteFiles(t, site.Dir, "admin")
	site.Serve["admin"] = map[string]any{"listen": "127.0.0.1:" + admin}
	site.Serve["audit"] = map[string]any{"instance": "a"}
	a = site.StartWith(t, "--bootstrap-admin", cert)
	a.Admin, a.CA = "https://localhost:"+admin, "ca.pem"
	a.AdminClient = harness.ClientInfo{ClientID: "admin", Cert: "admin.pem", Key: "admin.key"}

	other := *site
	other.Dir = filepath.Join(site.Dir, "b")
	if err := os.Mkdir(other.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	other.Serve = maps.Clone(site.Serve)
	delete(other.Serve, "admin")
	delete(other.Serve, "seed")
	other.Serve["listen"], other.Serve["audit"] = "127.0.0.1:"+second, map[string]any{"instance": "b"}
	other.Serve["database"] = map[string]any{"path": filepath.Join(site.Dir, "site.db")}
	other.Serve["tls"] = map[string]any{"certificate": filepath.Join(site.Dir, "server.pem"), "key": filepath.Join(site.Dir, "server.key")}
	other.Serve["keys"] = map[string]any{"active": "k1", "keks": []map[string]any{{"id": "k1", "file": filepath.Join(site.Dir, "kek")}}}
	b = other.StartWith(t)
	b.TokenEndpoint = "https://localhost:" + second + "/oauth2/token"
	b.JWKSURI = "https://localhost:" + second + "/.well-known/jwks.json"
	return site, a, b
}

// TestInstancesAgreeOnKeys: what one instance has acknowledged holds at the other:
// no token leaves it that a revoked key has signed, and the key is soon gone from
// its set.
func TestInstancesAgreeOnKeys(t *testing.T) {
	t.Parallel()
	site, a, b := twoInstances(t)
	one := site.Client(t, "one")
	for range 3 {
		stolen := keyOf(t, a, "access_token", "active")
		if kid := signedWith(t, b.Token(t, &one, harness.TokenForm("one")).AccessToken); kid != stolen {
			t.Fatalf("the second instance signs with %s, the first with %s", kid, stolen)
		}
		mustAdmin(t, a, "key", "revoke", stolen, "--reason", "test")
		token := b.Token(t, &one, harness.TokenForm("one")).AccessToken // the very next one
		if kid := signedWith(t, token); kid == stolen || kid != keyOf(t, a, "access_token", "active") {
			t.Errorf("the second instance signs with %s after %s was revoked", kid, stolen)
		}
		deadline := time.After(patience)
		for slices.Contains(publishedKeys(t, b), stolen) {
			select {
			case <-deadline:
				t.Fatal("the second instance goes on publishing the revoked key")
			default:
			}
		}
		// Whichever of the two a resource server has asked.
		for name, published := range map[string][]string{"first": publishedKeys(t, a), "second": publishedKeys(t, b)} {
			if !slices.Contains(published, signedWith(t, token)) {
				t.Errorf("the %s instance does not publish the key that signs", name)
			}
		}
		if response := a.PostToken(t, &one, harness.TokenForm("one")); response.Status != http.StatusOK {
			t.Errorf("the first instance: %s", response)
		}
	}
}
