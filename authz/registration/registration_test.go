package registration

import (
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/storage"
)

func TestDecode(t *testing.T) {
	for _, c := range []struct {
		name, text, want string // want: part of the error; empty: accepted
	}{
		{"json", `{"partners":[{"id":"acme","name":"Acme"}]}`, ""},
		{"yaml", "partners:\n- id: acme\n  name: Acme\n", ""},
		{"empty", ``, ""},
		{"unknown member", `{"partners":[{"id":"acme","nmae":"Acme"}]}`, `registration: 1:27: unknown field "nmae"`},
		{"unknown top member", "partner: []\n", `registration: 1:1: unknown field "partner"`},
		{"repeated member", "partners:\n- id: a\n  id: b\n", "registration: 3:3: "},
		{"wrong type", `{"partners":{"id":"acme"}}`, "registration: 1:"},
		{"not yaml", "partners: [", "registration: 1:"},
		{"second document", "partners: []\n---\nclients: []\n", "registration: 3:1: a second YAML document; a registration is one"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Decode([]byte(c.text))
			switch {
			case c.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

// TestClientRules holds one good client of each method and, for each rule, one
// that breaks only it.
func TestClientRules(t *testing.T) {
	now := time.Now()
	pki := func(change func(*Client)) Client {
		c := Client{ClientID: "a", PartnerID: "p", AuthMethod: storage.TLSClientAuth, SANDNS: "a.example", TrustBundle: "b", Scope: "x y"}
		change(&c)
		return c
	}
	edge := keystest.SelfSigned(t)
	expired := keystest.SelfSigned(t, keystest.Expired())
	tomorrow := keystest.SelfSigned(t, keystest.NotYetValid())
	weak := keystest.SelfSigned(t, keystest.RSA(1024))
	self := func(change func(*Client)) Client {
		c := Client{ClientID: "a", PartnerID: "p", AuthMethod: storage.SelfSignedTLSClientAuth, JWKS: publicJWKS(t, edge)}
		change(&c)
		return c
	}
	for _, c := range []struct {
		name   string
		client Client
		want   string
	}{
		{"pki", pki(func(*Client) {}), ""},
		{"self-signed", self(func(*Client) {}), ""},
		{"self-signed, valid from tomorrow", self(func(c *Client) { c.JWKS = publicJWKS(t, tomorrow) }), ""},

		{"no id", pki(func(c *Client) { c.ClientID = "" }), "client_id must be"},
		{"id with a space", pki(func(c *Client) { c.ClientID = "a b" }), "client_id must be"},
		{"no partner", pki(func(c *Client) { c.PartnerID = "" }), "partner_id must be"},
		{"control character in the name", pki(func(c *Client) { c.ClientName = "a\x1b[31m" }), "client_name has control or formatting characters"},
		{"control character of C1 in the name", pki(func(c *Client) { c.ClientName = "a\u009b31m" }), "client_name has control or formatting characters"},
		{"name that reads the other way round", pki(func(c *Client) { c.ClientName = "a\u202eb" }), "client_name has control or formatting characters"},
		{"name with what nobody sees", pki(func(c *Client) { c.ClientName = "a\u200bb" }), "client_name has control or formatting characters"},
		{"name of two lines", pki(func(c *Client) { c.ClientName = "a\u2028b" }), "client_name has control or formatting characters"},
		{"name with joiners", pki(func(c *Client) { c.ClientName = "می\u200cخواهم 👩\u200d💻" }), ""},
		{"id that is a step in a path", pki(func(c *Client) { c.ClientID = ".." }), "client_id must be something else than . and .."},
		{"id with dots", pki(func(c *Client) { c.ClientID = "..." }), ""},
		{"scope grammar", pki(func(c *Client) { c.Scope = "x  y" }), "scope does not follow"},
		{"no method", pki(func(c *Client) { c.AuthMethod = "" }), "token_endpoint_auth_method must be"},
		{"secret method", pki(func(c *Client) { c.AuthMethod = "client_secret_basic" }), "token_endpoint_auth_method must be"},
		{"no subject value", pki(func(c *Client) { c.SANDNS = "" }), "exactly one tls_client_auth_* subject value, not 0"},
		{"two subject values", pki(func(c *Client) { c.SANURI = "urn:x" }), "exactly one tls_client_auth_* subject value, not 2"},
		{"bad subject value", pki(func(c *Client) { c.SANDNS, c.SubjectDN = "", "nonsense" }), "tls_client_auth_subject_dn"},
		{"pki without bundle", pki(func(c *Client) { c.TrustBundle = "" }), "needs a trust_bundle"},
		{"pki with jwks", pki(func(c *Client) { c.JWKS = publicJWKS(t, edge) }), "jwks belongs to"},
		{"self-signed with subject value", self(func(c *Client) { c.SANDNS = "a.example" }), "takes no tls_client_auth_*"},
		{"self-signed with bundle", self(func(c *Client) { c.TrustBundle = "b" }), "takes no trust_bundle"},
		{"jwks_uri", self(func(c *Client) { c.JWKS, c.JWKSURI = nil, "https://acme.example/jwks" }), ""},
		{"jwks_uri on loopback is judged when it is called", self(func(c *Client) { c.JWKS, c.JWKSURI = nil, "https://127.0.0.1:8443/jwks" }), ""},
		{"jwks and jwks_uri", self(func(c *Client) { c.JWKSURI = "https://acme.example/jwks" }), "jwks and jwks_uri exclude each other"},
		{"jwks_uri over http", self(func(c *Client) { c.JWKS, c.JWKSURI = nil, "http://acme.example/jwks" }), "jwks_uri: fetch: not an https URL"},
		{"jwks_uri with a password", self(func(c *Client) { c.JWKS, c.JWKSURI = nil, "https://a:b@acme.example/jwks" }), "jwks_uri: fetch: a URL with a user or a password"},
		{"pki with jwks_uri", pki(func(c *Client) { c.JWKSURI = "https://acme.example/jwks" }), "jwks_uri belongs to self_signed_tls_client_auth"},
		{"self-signed without jwks", self(func(c *Client) { c.JWKS = nil }), "needs jwks"},
		{"self-signed with an empty jwks", self(func(c *Client) { c.JWKS = &JWKS{} }), "needs jwks"},
		{"key without x5c", self(func(c *Client) { delete(c.JWKS.Keys[0], "x5c") }), "x5c is missing"},
		{"key of another certificate", self(func(c *Client) { c.JWKS.Keys[0]["x5c"] = publicJWKS(t, tomorrow).Keys[0]["x5c"] }), "not a JWK whose key equals"},
		{"private key", self(func(c *Client) { c.JWKS.Keys[0] = privateJWK(t, edge) }), "private"},
		{"expired certificate", self(func(c *Client) { c.JWKS = publicJWKS(t, expired) }), "expired"},
		{"weak certificate", self(func(c *Client) { c.JWKS = publicJWKS(t, weak) }), "weak"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := (&Set{Clients: []Client{c.client}}).Check(now)
			switch {
			case c.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func TestOtherRules(t *testing.T) {
	now := time.Now()
	ca := keystest.NewCA(t, "CA")
	for _, c := range []struct {
		name string
		reg  Set
		want string
	}{
		{"partner id", Set{Partners: []Partner{{ID: "a/b"}}}, `registration: partners[0] "a/b": id must be`},
		{"partner id that is a step in a path", Set{Partners: []Partner{{ID: "."}}}, "id must be something else than . and .."},
		{"partner name", Set{Partners: []Partner{{ID: "a", Name: strings.Repeat("x", 201)}}}, "name is longer"},
		{"relative audience", Set{APIs: []API{{ID: "a", Audience: "accounts", Scopes: []string{"x"}}}}, "absolute URI"},
		{"audience with fragment", Set{APIs: []API{{ID: "a", Audience: "https://a#b", Scopes: []string{"x"}}}}, "absolute URI"},
		{"no scopes", Set{APIs: []API{{ID: "a", Audience: "https://a"}}}, "at least one scope"},
		{"scope grammar", Set{APIs: []API{{ID: "a", Audience: "https://a", Scopes: []string{`a"`}}}}, "not a scope token"},
		{"scope longer than the column", Set{APIs: []API{{ID: "a", Audience: "https://a", Scopes: []string{strings.Repeat("x", 257)}}}}, "of at most 256 bytes"},
		{"lifetime over an hour", Set{APIs: []API{{ID: "a", Audience: "https://a", Scopes: []string{"x"}, TokenLifetimeSeconds: 3601}}}, "0 to 3600"},
		{"negative lifetime", Set{APIs: []API{{ID: "a", Audience: "https://a", Scopes: []string{"x"}, TokenLifetimeSeconds: -1}}}, "0 to 3600"},
		{"lifetime that overflows", Set{APIs: []API{{ID: "a", Audience: "https://a", Scopes: []string{"x"}, TokenLifetimeSeconds: 1 << 62}}}, "0 to 3600"},
		{"bundle without anchor", Set{TrustBundles: []TrustBundle{{Name: "b"}}}, `trust_bundles[0] "b"`},
		{"leaf as anchor", Set{TrustBundles: []TrustBundle{{Name: "b", Anchors: string(ca.Client(t).CertPEM())}}}, `trust_bundles[0] "b"`},
		{"bundle name", Set{TrustBundles: []TrustBundle{{Name: "b b", Anchors: string(ca.CertPEM())}}}, "name must be"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.reg.Check(now)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func TestAllMistakesAtOnce(t *testing.T) {
	err := (&Set{Partners: []Partner{{ID: ""}, {ID: "ok"}, {ID: "b b"}}, Clients: []Client{{}}}).CheckShape()
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"partners[0]", "partners[2]", "clients[0]", "client_id", "partner_id", "token_endpoint_auth_method"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not mentioned in:\n%v", want, err)
		}
	}
}
