package conformance

import (
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/certbound/certbound/conformance/internal/harness"
	"github.com/certbound/certbound/keys/keystest"
)

// pairOf reads a certificate with its chain, and the key.
func pairOf(t *testing.T, cert, key string) keystest.Pair {
	t.Helper()
	read, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	pair := keystest.Pair{Cert: read.Leaf, Key: read.PrivateKey.(crypto.Signer)}
	for _, der := range read.Certificate[1:] {
		above, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		pair.Chain = append(pair.Chain, above)
	}
	return pair
}

// lastOn runs do when the first byte of a body is asked for.
type lastOn struct {
	io.Reader
	do func()
}

func (l *lastOn) Read(p []byte) (int, error) {
	if l.do != nil {
		l.do()
		l.do = nil
	}
	return l.Reader.Read(p)
}

// TestNoSecondAdministratorByOne: an administrator who wants a change of a trust bundle
// alone looks for a second self: a colleague who has left, or was locked out.
func TestNoSecondAdministratorByOne(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	left, _ := keystest.SelfSigned(t, keystest.CommonName("left")).WriteFiles(t, o.Dir, "left")
	o.must(t, "admin", "partner", "create", "former")
	o.must(t, "admin", "client", "create", "left", "--partner", "former", "--self-signed", "--from-cert", left,
		"--scope", "admin:read,admin:write,admin:operate,admin:security")
	o.must(t, "admin", "client", "disable", "left", "--reason", "left the bank")
	o.stop(t)
	o.start(t, "trust_bundles")
	id := o.proposal(t, "admin", "trust", "update", "partners", "--anchors", anchorsFile(t, o.Partners, keystest.NewCA(t, "Mine")))
	const needed = "second_administrator_required"
	o.refuses(t, "admin", needed, "client", "enable", "left")
	o.refuses(t, "admin", needed, "client", "enable", "left", "--dry-run")
	o.must(t, "admin", "partner", "lockout", "office", "--reason", "test")
	o.refuses(t, "admin", needed, "partner", "restore", "office")
	if result := o.as(t, "left", "trust", "approve", id); result.Code != 2 {
		t.Errorf("who has left approves: %d %s", result.Code, result.Stdout)
	}
	if result := o.as(t, "deputy", "trust", "approve", id); result.Code != 2 {
		t.Errorf("who is locked out approves: %d %s", result.Code, result.Stdout)
	}
}

// TestApproverEndsWhileTheRequestRuns: a stolen certificate that was accepted when a
// request began, and was revoked before its body came, approves nothing.
func TestApproverEndsWhileTheRequestRuns(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.stop(t)
	o.start(t, "trust_bundles")
	id := o.proposal(t, "admin", "trust", "update", "partners", "--anchors", anchorsFile(t, o.Partners, keystest.NewCA(t, "Mine")))
	deputy := pairOf(t, filepath.Join(o.Dir, "deputy.pem"), filepath.Join(o.Dir, "deputy.key"))
	token := o.d.Token(t, &deputy, harness.TokenForm("deputy", "resource", o.Issuer+"/admin")).AccessToken

	client := o.d.HTTPClient(t, &deputy, nil)
	client.Transport.(*http.Transport).ExpectContinueTimeout = time.Minute // the body waits until the server asks for it
	body := &lastOn{strings.NewReader(`{"reason":"late"}`), func() {
		o.must(t, "admin", "cert", "revoke", thumbprintOf(deputy), "--reason", "stolen")
	}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, o.d.Admin+"/admin/v1/trust-proposals/"+id+"/approve", io.NopCloser(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {"application/json"}, "Expect": {"100-continue"}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode == http.StatusOK || body.do != nil {
		t.Errorf("%d %s %v", response.StatusCode, answer, err)
	}
	if open, _ := o.must(t, "admin", "trust", "proposals", "--status", "open"); !strings.Contains(open, id) {
		t.Errorf("approved with a revoked certificate: %s", answer)
	}
}

// TestApproverSeesWhatIsProposed: by certificates and fingerprints, whatever comments
// and names say, and without steering the terminal.
func TestApproverSeesWhatIsProposed(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.stop(t)
	o.start(t, "trust_bundles")
	fake := keystest.NewCA(t, "Partners\u009b2J\u202e CA")
	file := filepath.Join(o.Dir, "fake.pem")
	text := "# nothing new \u202e\u009b2J\n" + string(o.Partners.CertPEM()) + string(fake.CertPEM())
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	id := o.proposal(t, "admin", "trust", "update", "partners", "--anchors", file, "--allow-public-roots")
	sum, own := sha256.Sum256(fake.Cert.Raw), sha256.Sum256(o.Partners.Cert.Raw)
	fingerprint := hex.EncodeToString(sum[:])
	for _, args := range [][]string{{"trust", "proposal", id}, {"trust", "proposal", id, "-o", "json"}, {"trust", "approve", id, "--dry-run"}, {"trust", "approve", id}} {
		shown, _ := o.must(t, "deputy", args...)
		expectMentions(t, shown, fingerprint, "9b2J", "allow_public_roots")
		if strings.ContainsAny(shown, "\u009b\u202e") {
			t.Errorf("%v steers the terminal: %q", args, shown)
		}
		if strings.Contains(shown, hex.EncodeToString(own[:])) {
			t.Errorf("%v: what stays is shown as a change: %s", args, shown)
		}
	}
}

// TestOnlineCASignsForNobodyElse: whoever may register a client and make a link for it
// chooses the names of its certificate: its id, or a SAN that a client has in another
// trust bundle of the same authority. It is nobody else's, and no verb forgets whose.
func TestOnlineCASignsForNobodyElse(t *testing.T) {
	t.Parallel()
	s := newSmallTeam(t)
	officer := []string{"--partner", "small", "--method", "tls_client_auth", "--scope", "admin:read,admin:security"}
	puppet := []string{"--partner", "small", "--method", "tls_client_auth", "--scope", "accounts:read", "--bundle", "small"}
	create := func(id string, as []string, more ...string) {
		mustAdmin(t, s.Dev, append(append([]string{"client", "create", id}, as...), more...)...)
	}
	mustAdmin(t, s.Dev, "trust", "create", "staff", "--anchors", s.file("pki/root.pem"))
	create("deputy", officer, "--bundle", "small", "--subject-dn", "CN=deputy")
	create("Deputy", puppet, "--san-dns", "x.small.test")
	create("other", officer, "--bundle", "staff", "--san-dns", "other.small.test")
	create("puppet", puppet, "--san-dns", "other.small.test")
	for _, as := range [][2]string{{"Deputy", "deputy"}, {"puppet", "other"}} {
		link := strings.TrimSpace(mustAdmin(t, s.Dev, "client", "enroll", as[0]))
		s.run(t, "cert", "enroll", link, "--key", s.file(as[0]+".key"), "--cert", s.file(as[0]+".pem"), "--ca", s.file("ca.pem"))
		pair := pairOf(t, s.file(as[0]+".pem"), s.file(as[0]+".key"))
		tokens := func(when string) {
			t.Helper()
			s.Token(t, &pair, harness.TokenForm(as[0]))
			refused := s.PostToken(t, &pair, harness.TokenForm(as[1], "resource", s.Issuer+"/admin"))
			if refused.Status != http.StatusUnauthorized {
				t.Errorf("%s: a certificate of %s is accepted of %s: %s", when, as[0], as[1], refused)
			}
		}
		if dn := pair.Cert.Subject; dn.CommonName != as[0] || len(dn.SerialNumber) < 26 {
			t.Errorf("a DN that somebody chose: %s", dn)
		}
		tokens("enrolled")
		removed := asAdmin(t, s.Dev, "cert", "remove", as[0], thumbprintOf(pair))
		if removed.Code != 2 || !strings.Contains(removed.Stderr, "revoke it first") {
			t.Errorf("removed: %d %s", removed.Code, removed.Stderr)
		}
		tokens("not removed")
		named := asAdmin(t, s.Dev, "client", "update", as[0], "-f", s.site.WriteJSON(t, "named.json", selfSignedBody(pair)))
		if named.Code != 2 || !strings.Contains(named.Stderr, "signed here") {
			t.Errorf("registered as self-signed: %d %s", named.Code, named.Stderr)
		}
		next := keystest.SelfSigned(t, keystest.CommonName("next"))
		mustAdmin(t, s.Dev, "client", "update", as[0], "-f", s.site.WriteJSON(t, "named.json", selfSignedBody(next)))
		refused := s.PostToken(t, &pair, harness.TokenForm(as[1], "resource", s.Issuer+"/admin"))
		if refused.Status != http.StatusUnauthorized {
			t.Errorf("another method: a certificate of %s is accepted of %s: %s", as[0], as[1], refused)
		}
		mustAdmin(t, s.Dev, "cert", "revoke", thumbprintOf(pair), "--reason", "test")
		mustAdmin(t, s.Dev, "cert", "remove", as[0], thumbprintOf(pair))
		if refused := s.PostToken(t, &pair, harness.TokenForm(as[1])); refused.Status != http.StatusUnauthorized {
			t.Errorf("revoked: %s", refused)
		}
	}
}

// selfSignedBody makes a client one that is known by a certificate alone.
func selfSignedBody(pair keystest.Pair) map[string]any {
	key := jose.JSONWebKey{Key: pair.Cert.PublicKey, Certificates: []*x509.Certificate{pair.Cert}}
	return map[string]any{
		"token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": map[string]any{"keys": []any{key}},
		"trust_bundle": nil, "tls_client_auth_san_dns": nil,
	}
}
