package conformance

import (
	"net/http"
	"strings"
	"testing"

	"github.com/certbound/certbound/conformance/internal/harness"
)

// TestOnlineCA lists the CA that is online and takes it offline: enrolment and
// renewal end at once, the certificate it has signed goes on to get tokens, and
// another one that goes online serves the link that was out.
func TestOnlineCA(t *testing.T) {
	t.Parallel()
	s := newSmallTeam(t)
	a := newAdministrator(t, s.Dev)
	const path = "/admin/v1/enrollment-issuers"
	shown := string(a.expect(t, http.StatusOK, "GET", path+"/small", "").Body)
	for _, want := range []string{`"trust_bundle":"small"`, `"permitted_dns":["small.test"`, `"not_after":"2`, "BEGIN CERTIFICATE"} {
		if !strings.Contains(shown, want) {
			t.Errorf("%s is not in %s", want, shown)
		}
	}
	if strings.Contains(shown, "PRIVATE") || strings.Contains(shown, "sealed") {
		t.Errorf("more than is to be shown: %s", shown)
	}
	if listed := mustAdmin(t, s.Dev, "ca", "issuers", "list"); strings.Count(listed, "small.test") == 0 {
		t.Errorf("listed:\n%s", listed)
	}
	link := strings.TrimSpace(mustAdmin(t, s.Dev, "client", "enroll", "small"))
	files := []string{"--key", s.file("small.key"), "--cert", s.file("small.pem"), "--ca", s.file("ca.pem")}
	s.run(t, append([]string{"cert", "enroll", link}, files...)...)
	link = strings.TrimSpace(mustAdmin(t, s.Dev, "client", "enroll", "small"))
	other := []string{"cert", "enroll", link, "--key", s.file("b.key"), "--cert", s.file("b.pem"), "--ca", s.file("ca.pem")}

	if dry := mustAdmin(t, s.Dev, "ca", "offline", "small", "--dry-run"); !strings.Contains(dry, `"before"`) {
		t.Errorf("dry run: %s", dry)
	}
	a.expect(t, http.StatusOK, "GET", path, "")
	mustAdmin(t, s.Dev, "ca", "offline", "small")
	for name, args := range map[string][]string{
		"enrolment": other, "renewal": append([]string{"cert", "renew", "--issuer", s.Issuer}, files...),
	} {
		if refused := harness.Run(t, args...); refused.Code != 2 || !strings.Contains(refused.Stderr, "signing_unavailable") {
			t.Errorf("%s: %d %s", name, refused.Code, refused.Stderr)
		}
	}
	a.expect(t, http.StatusNotFound, "GET", path+"/small", "")
	a.expect(t, http.StatusNotFound, "DELETE", path+"/small", "")
	pair := s.pair(t)
	s.Token(t, &pair, harness.TokenForm("small"))
	if events := mustAdmin(t, s.Dev, "audit", "export", "--kind", "enrollment_issuer.removed"); strings.Count(events, `"small"`) == 0 || strings.Count(events, "\n") != 1 {
		t.Errorf("events:\n%s", events)
	}
	s.run(t, "ca", "online", "--config", s.file("serve.yaml"), "--trust-bundle", "small",
		"--certificate", s.file("pki/issuing.pem"), "--key", s.file("pki/issuing.key.age"), "--passphrase-file", s.file("pass"))
	s.run(t, other...)
	a.expect(t, http.StatusNoContent, "DELETE", path+"/small", "")
}
