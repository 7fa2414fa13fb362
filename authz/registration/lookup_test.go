package registration

import (
	"testing"

	"github.com/certbound/certbound/keys/keystest"
)

func TestLookup(t *testing.T) {
	ca := keystest.NewCA(t, "partners")
	r := &Set{
		TrustBundles: []TrustBundle{{Name: "partners", Anchors: string(ca.CertPEM())}},
		Clients: []Client{
			{ClientID: "a", PartnerID: "p", AuthMethod: "tls_client_auth", SANDNS: "A.test", TrustBundle: "partners"},
			{ClientID: "b", PartnerID: "p", AuthMethod: "tls_client_auth", SANDNS: "b.test", TrustBundle: "elsewhere"},
		},
	}
	a, err := r.Lookup("a")
	if err != nil || a.Client.Matcher.Canonical != "a.test" || a.Bundle == nil || a.Bundle.Name != "partners" {
		t.Errorf("%+v, %v", a, err)
	}
	if b, err := r.Lookup("b"); err != nil || b.Bundle != nil {
		t.Errorf("%+v, %v", b, err)
	}
	for id, want := range map[string]string{
		"":  "registration: the registration has 2 clients: say which",
		"c": "registration: the registration has no client c",
	} {
		if _, err := r.Lookup(id); err == nil || err.Error() != want {
			t.Errorf("Lookup(%q): %v, want %s", id, err, want)
		}
	}
	r.Clients[1].SANDNS = "not a name"
	if _, err := r.Lookup("a"); err == nil {
		t.Error("a registration with a mistake is believed")
	}
}
