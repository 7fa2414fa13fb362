package registration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/storage"
)

// TestProblemsNameThePlace: line and column of what an editor has to change.
func TestProblemsNameThePlace(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"member of a record", `partners:
  - id: acme
  - id: b b
`, `registration: 3:5: partners[1] "b b": id must be 1 to 128 characters of A-Z a-z 0-9 . _ -`},
		{"a member that is missing: the record", `partners:
  - name: Acme
`, `registration: 2:5: partners[0] "": id must be 1 to 128 characters of A-Z a-z 0-9 . _ -`},
		{"item of a list", `apis:
  - id: a
    audience: https://a.example
    scopes:
      - fine
      - "not fine"
`, `registration: 6:9: apis[0] "a": scope "not fine" is not a scope token of RFC 6749 §3.3 of at most 256 bytes`},
		{"bundle: the member", `trust_bundles:
  - name: void
    anchors: ""
`, `registration: 3:5: trust_bundles[0] "void": trust: bundle void: anchors: there is no certificate`},
		{"JSON", `{"partners":
  [{"id": "a/b"}]}`, `registration: 2:5: partners[0] "a/b": id must be 1 to 128 characters of A-Z a-z 0-9 . _ -`},
		{"a key of a client", `clients:
  - client_id: edge
    partner_id: acme
    token_endpoint_auth_method: self_signed_tls_client_auth
    jwks:
      keys:
        - kty: EC
`, `registration: 7:11: clients[0] "edge": jwks.keys[0]: not a JWK whose key equals that of the certificate in x5c`},
		{"an anchored list", `partners: &all
  - id: b b
`, `registration: 2:5: partners[0] "b b": id must be 1 to 128 characters of A-Z a-z 0-9 . _ -`},
		{"two problems", `partners: [{id: a b}, {id: c d}]
`, `registration: 1:13: partners[0] "a b": id must be 1 to 128 characters of A-Z a-z 0-9 . _ -
registration: 1:24: partners[1] "c d": id must be 1 to 128 characters of A-Z a-z 0-9 . _ -`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := Decode([]byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			if err := r.CheckShape(); err == nil || err.Error() != c.want {
				t.Errorf("got\n%v\nwant\n%s", err, c.want)
			}
		})
	}
}

// TestUniqueWithin: two records of one registration must not claim the same.
func TestUniqueWithin(t *testing.T) {
	edge := keystest.SelfSigned(t)
	api := func(id, audience string, scopes ...string) API {
		return API{ID: id, Audience: audience, Scopes: scopes}
	}
	pki := func(id, bundle, name string) Client {
		return Client{ClientID: id, PartnerID: "p", AuthMethod: storage.TLSClientAuth, SANDNS: name, TrustBundle: bundle}
	}
	self := func(id string, pairs ...keystest.Pair) Client {
		return Client{ClientID: id, PartnerID: "p", AuthMethod: storage.SelfSignedTLSClientAuth, JWKS: publicJWKS(t, pairs...)}
	}
	for _, c := range []struct {
		name string
		reg  Set
		want string
	}{
		{"one name, two bundles", Set{Clients: []Client{pki("a", "x", "n.example"), pki("b", "y", "n.example")}}, ""},
		{"scope twice in one list", Set{APIs: []API{api("a", "https://a", "s", "s")}}, ""},

		{"partner", Set{Partners: []Partner{{ID: "p"}, {ID: "p", Disabled: true}}}, `registration: partners[1] "p": partner "p" is in partners[0] already`},
		{"client", Set{Clients: []Client{pki("a", "x", "n.example"), pki("a", "x", "m.example")}}, `registration: clients[1] "a": client "a" is in clients[0] already`},
		{"API", Set{APIs: []API{api("a", "https://a", "s"), api("a", "https://b", "t")}}, `registration: apis[1] "a": API "a" is in apis[0] already`},
		{"audience", Set{APIs: []API{api("a", "https://a", "s"), api("b", "https://a", "t")}}, `registration: apis[1] "b": audience "https://a" is in apis[0] already`},
		{"scope", Set{APIs: []API{api("a", "https://a", "s"), api("b", "https://b", "s")}}, `registration: apis[1] "b": scope "s" is in apis[0] already`},
		{"subject value", Set{Clients: []Client{pki("a", "x", "n.example"), pki("b", "x", "N.example")}}, `registration: clients[1] "b": trust bundle x: tls_client_auth_san_dns "n.example" is in clients[0] already`},
		{"certificate", Set{Clients: []Client{self("a", edge), self("b", edge)}}, `is in clients[0] already`},
		{"certificate twice", Set{Clients: []Client{self("a", edge, edge)}}, `is there twice`},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.reg.Check(time.Now())
			if got := fmt.Sprint(err); (c.want == "" && err != nil) || !strings.Contains(got, c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// FuzzDecode: whatever the text is, the answer is an answer, and a problem of a
// text has a place in it.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		"", "partners: [{id: a}]", `{"clients":[{"client_id":"x"}]}`, "a: &b [*b]", "- 1", "apis:\n- scopes: [\"\"]\n", "? a\n: b\n", "---\n---\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := Decode(text)
		if err != nil {
			return
		}
		for _, p := range asProblems(r.CheckShape()) {
			if p.Line < 1 || p.Column < 1 {
				t.Errorf("%q: %v has no place", text, p)
			}
		}
	})
}

func asProblems(err error) Problems {
	problems, _ := err.(Problems) //nolint:errorlint // that it is not wrapped is the contract
	return problems
}
