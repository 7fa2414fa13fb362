package conformance

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/certbound/certbound/conformance/internal/harness"
	"github.com/certbound/certbound/keys/keystest"
)

// anchorsFile writes authorities for `certbound trust`.
func anchorsFile(t *testing.T, cas ...*keystest.CA) string {
	t.Helper()
	var text []byte
	for _, ca := range cas {
		text = append(text, ca.CertPEM()...)
	}
	file := filepath.Join(t.TempDir(), "anchors.pem")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestTokensEndWithTheirAuthority: a trust bundle loses an authority. The tokens of
// its certificates end everywhere, on open connections too; those of the others stay,
// also where the client sends its intermediate along. Back in force, the authority
// gives new tokens and brings back no old one.
func TestTokensEndWithTheirAuthority(t *testing.T) {
	d := harness.Start(t)
	a, b := keystest.NewCA(t, "Authority A"), keystest.NewCA(t, "Authority B")
	below := b.Intermediate(t, "Below B")
	mustAdmin(t, d, "trust", "create", "exchange", "--anchors", anchorsFile(t, a))
	mustAdmin(t, d, "trust", "update", "exchange", "--anchors", anchorsFile(t, a, b))
	pairs := map[string]keystest.Pair{
		"of-a": a.Client(t, keystest.DNS("of-a.test")), "of-b": b.Client(t, keystest.DNS("of-b.test")),
		"below-b": below.Client(t, keystest.DNS("below-b.test")),
	}
	callers := map[string]*caller{}
	for id, pair := range pairs {
		file, _ := pair.WriteFiles(t, t.TempDir(), id)
		mustAdmin(t, d, "client", "create", id, "--partner", "acme", "--bundle", "exchange", "--scope", "accounts:read", "--from-cert", leafFile(t, file, pair))
		callers[id] = callerWith(t, d, id, pair)
		callers[id].client = oneConnection(t, d, callers[id], false)
		expectServed(t, d, callers[id].call(t))
	}

	preview := mustAdmin(t, d, "trust", "update", "exchange", "--anchors", anchorsFile(t, b), "--dry-run")
	expectMentions(t, preview, `"clients_ended": 1`)
	expectServed(t, d, callers["of-a"].call(t))
	mustAdmin(t, d, "trust", "update", "exchange", "--anchors", anchorsFile(t, b))
	if why := callers["of-a"].ends(t); why != "client_disabled" {
		t.Errorf("of-a was refused for %s", why)
	}
	for _, id := range []string{"of-b", "below-b"} {
		expectServed(t, d, callers[id].call(t))
		if now := callerWith(t, d, id, pairs[id]); now.call(t).Status != http.StatusOK {
			t.Errorf("%s gets no token that is good", id)
		}
	}
	pair := pairs["of-a"]
	if response := d.PostToken(t, &pair, harness.TokenForm("of-a")); response.Status != http.StatusUnauthorized {
		t.Errorf("a token by an authority that went: %s", response)
	}
	expectMentions(t, mustAdmin(t, d, "audit", "export", "--kind", "trust_bundle.changed"), `"clients_ended":1`, `"clients":["of-a"]`)

	mustAdmin(t, d, "trust", "rollback", "exchange", "2")
	expectServed(t, d, callerWith(t, d, "of-a", pair).call(t))
	if response := callers["of-a"].call(t); response.Status != http.StatusUnauthorized {
		t.Errorf("a token of before: %s", response)
	}
	mustAdmin(t, d, "trust", "retire", "exchange", "--reason", "test")
	for _, id := range []string{"of-b", "below-b"} {
		if why := callers[id].ends(t); why != "client_disabled" {
			t.Errorf("%s was refused for %s when the bundle was retired", id, why)
		}
	}
}

// TestKilledAfterTheFirstToken: a server that is killed the moment it has given a
// certificate its first token knows, when it is started again, whose tokens end with
// the authority of that certificate.
func TestKilledAfterTheFirstToken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := harness.StartIn(t, dir)
	a, b := keystest.NewCA(t, "Authority A"), keystest.NewCA(t, "Authority B")
	mustAdmin(t, d, "trust", "create", "exchange", "--anchors", anchorsFile(t, a, b))
	for round := range 3 {
		id := fmt.Sprintf("of-a-%d", round)
		pair := a.Client(t, keystest.DNS(id+".test"))
		file, _ := pair.WriteFiles(t, t.TempDir(), id)
		mustAdmin(t, d, "client", "create", id, "--partner", "acme", "--bundle", "exchange", "--scope", "accounts:read", "--from-cert", file)
		d.Token(t, &pair, harness.TokenForm(id))
		if err := d.Kill(); err != nil {
			t.Fatal(err)
		}
		d = harness.StartIn(t, dir)
	}
	defer func() {
		if err := d.Stop(); err != nil {
			t.Error(err)
		}
	}()
	mustAdmin(t, d, "trust", "update", "exchange", "--anchors", anchorsFile(t, b))
	expectMentions(t, mustAdmin(t, d, "audit", "export", "--kind", "trust_bundle.changed"), `"clients":["of-a-0","of-a-1","of-a-2"]`)
}

// TestRemovedCertificateIsSeenAgain: what an administrator takes off the record is on
// it again before the next token leaves.
func TestRemovedCertificateIsSeenAgain(t *testing.T) {
	d := harness.Start(t)
	a, b := keystest.NewCA(t, "Authority A"), keystest.NewCA(t, "Authority B")
	mustAdmin(t, d, "trust", "create", "exchange", "--anchors", anchorsFile(t, a, b))
	pair := a.Client(t, keystest.DNS("of-a.test"))
	file, _ := pair.WriteFiles(t, t.TempDir(), "of-a")
	mustAdmin(t, d, "client", "create", "of-a", "--partner", "acme", "--bundle", "exchange", "--scope", "accounts:read", "--from-cert", file)
	expectServed(t, d, callerWith(t, d, "of-a", pair).call(t))
	mustAdmin(t, d, "cert", "remove", "of-a", file)
	caller := callerWith(t, d, "of-a", pair)
	expectServed(t, d, caller.call(t))
	mustAdmin(t, d, "trust", "update", "exchange", "--anchors", anchorsFile(t, b))
	if why := caller.ends(t); why != "client_disabled" {
		t.Errorf("refused for %s", why)
	}
}

// leafFile is the certificate alone: registration takes no chain.
func leafFile(t *testing.T, file string, pair keystest.Pair) string {
	t.Helper()
	if len(pair.Chain) == 0 {
		return file
	}
	pair.Chain = nil
	file, _ = pair.WriteFiles(t, t.TempDir(), "leaf")
	return file
}
