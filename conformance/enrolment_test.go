package conformance

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/certbound/certbound/conformance/internal/harness"
	"github.com/certbound/certbound/keys/keystest"
)

// smallTeam is a running server on an empty database, with a CA that certbound made
// and client "small" of a team that has none.
type smallTeam struct {
	*harness.Dev
	site *harness.Site
}

func (s *smallTeam) file(name string) string { return filepath.Join(s.site.Dir, name) }

// run is a command that has to succeed.
func (s *smallTeam) run(t *testing.T, args ...string) string {
	t.Helper()
	result := harness.Run(t, args...)
	if result.Code != 0 {
		t.Fatalf("certbound %s: code %d\n%s%s", strings.Join(args, " "), result.Code, result.Stdout, result.Stderr)
	}
	return result.Stdout
}

func newSmallTeam(t *testing.T) *smallTeam {
	t.Helper()
	upstream := newUpstream(t)
	s := &smallTeam{site: harness.NewSite(t, upstream.URL)}
	delete(s.site.Serve, "seed")
	listen := harness.FreePort(t)
	cert, _ := keystest.SelfSigned(t, keystest.CommonName("admin")).WriteFiles(t, s.site.Dir, "admin")
	s.site.Serve["admin"] = map[string]any{"listen": "127.0.0.1:" + listen}
	s.site.Serve["enrollment"] = map[string]any{"enabled": true, "per_minute": 6000}
	s.Dev = s.site.StartWith(t, "--bootstrap-admin", cert)
	s.Admin, s.CA = "https://localhost:"+listen, "ca.pem"
	s.AdminClient = harness.ClientInfo{ClientID: "admin", Cert: "admin.pem", Key: "admin.key"}

	if err := os.WriteFile(s.file("pass"), []byte("correct horse battery staple\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.run(t, "ca", "init", "--dir", s.file("pki"), "--name", "Small", "--permit-dns", "small.test", "--passphrase-file", s.file("pass"))
	mustAdmin(t, s.Dev, "trust", "create", "small", "--anchors", s.file("pki/root.pem"))
	mustAdmin(t, s.Dev, "partner", "create", "small")
	mustAdmin(t, s.Dev, "api", "create", "accounts", "--audience", s.site.Proxy, "--scope", "accounts:read,accounts:write")
	mustAdmin(t, s.Dev, "client", "create", "small", "--partner", "small", "--bundle", "small", "--scope", "accounts:read",
		"--method", "tls_client_auth", "--san-uri", "spiffe://small.test/app")
	early := asAdmin(t, s.Dev, "client", "enroll", "small")
	if early.Code != 2 || !strings.Contains(early.Stderr, "no CA is online") {
		t.Errorf("a link nobody could sign for: %d %s", early.Code, early.Stderr)
	}
	s.run(t, "ca", "online", "--config", s.file("serve.yaml"), "--trust-bundle", "small",
		"--certificate", s.file("pki/issuing.pem"), "--key", s.file("pki/issuing.key.age"), "--passphrase-file", s.file("pass"))
	return s
}

// pair is the certificate in the client's files. Between the renaming of the two
// they do not fit; then they are read again.
func (s *smallTeam) pair(t *testing.T) keystest.Pair {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		read, err := tls.LoadX509KeyPair(s.file("small.pem"), s.file("small.key"))
		if err != nil {
			continue
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
	t.Fatal("the client's files do not fit together")
	return keystest.Pair{}
}

func (s *smallTeam) status(t *testing.T, file string) (record struct {
	Status, Source string
	X5T            string `json:"x5t#S256"`
}) {
	t.Helper()
	text := mustAdmin(t, s.Dev, "cert", "status", file, "--wait-seen", "--timeout", "30s", "-o", "json")
	if err := json.Unmarshal([]byte(text), &record); err != nil {
		t.Fatal(err)
	}
	return record
}

// TestEnrolAndRotate: a team without a CA comes from nothing to a token by a link,
// and renews, under traffic, without losing a request.
func TestEnrolAndRotate(t *testing.T) {
	t.Parallel()
	s := newSmallTeam(t)
	link := strings.TrimSpace(mustAdmin(t, s.Dev, "client", "enroll", "small"))
	files := []string{"--key", s.file("small.key"), "--cert", s.file("small.pem"), "--ca", s.file("ca.pem")}
	s.run(t, append([]string{"cert", "enroll", link}, files...)...)
	info, err := os.Stat(s.file("small.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key: %v %v", info, err)
	}
	second := harness.Run(t, "cert", "enroll", link, "--key", s.file("b.key"), "--cert", s.file("b.pem"), "--ca", s.file("ca.pem"))
	if second.Code != 2 || !strings.Contains(second.Stderr, "enrollment_refused") {
		t.Errorf("the link a second time: %d %s", second.Code, second.Stderr)
	}
	if _, err := os.Stat(s.file("b.key")); err == nil {
		t.Error("a refusal leaves a key behind")
	}
	if secret := link[strings.Index(link, "#")+1:]; strings.Contains(s.Stderr.String(), secret) {
		t.Error("the secret is in the server's log")
	}
	_, proxy := s.site.WriteConfigs(t)
	harness.StartProcess(t, s.Stderr, "proxy", "--config", proxy)
	waitListening(t, s.Dev, "proxy")

	stop, done := make(chan struct{}), make(chan struct{})
	var good atomic.Int64
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
			}
			pair := s.pair(t)
			response := callerWith(t, s.Dev, "small", pair).call(t)
			if response.Status != http.StatusOK {
				t.Errorf("under way: %s", response)
				return
			}
			good.Add(1)
		}
	}()
	first := s.status(t, s.file("small.pem"))
	if first.Status != "active" || first.Source != "enrolled" {
		t.Errorf("%+v", first)
	}
	s.run(t, append([]string{"cert", "renew", "--issuer", s.Issuer}, files...)...)
	if next := s.status(t, s.file("small.pem")); next.X5T == first.X5T || next.Status != "active" {
		t.Errorf("%+v", next)
	}
	expectMentions(t, mustAdmin(t, s.Dev, "cert", "retire", first.X5T, "--in", "3s", "--reason", "rotated"), "retire_at")
	deadline := time.Now().Add(30 * time.Second)
	for retired := false; !retired && time.Now().Before(deadline); {
		retired = strings.Contains(mustAdmin(t, s.Dev, "cert", "list", "small"), "retired")
	}
	before := good.Load()
	for good.Load() < before+20 && time.Now().Before(deadline) {
		mustAdmin(t, s.Dev, "cert", "list", "small")
	}
	close(stop)
	<-done
	if good.Load() < before+20 {
		t.Errorf("%d calls after the rotation", good.Load()-before)
	}
	expectMentions(t, mustAdmin(t, s.Dev, "cert", "list", "small"), "retired")
	expectMentions(t, mustAdmin(t, s.Dev, "cert", "expiring", "--within", "2400h"), "small")
	for kind, n := range map[string]int{"enrollment.created": 1, "certificate.enrolled": 1, "certificate.renewed": 1, "certificate.retired": 1, "enrollment_issuer.set": 1} {
		if events := mustAdmin(t, s.Dev, "audit", "export", "--kind", kind); strings.Count(events, "\n") != n {
			t.Errorf("%s: want %d\n%s", kind, n, events)
		}
	}
}

// TestEnrolmentKeepsTheDocument does the operations that a server without a CA
// refuses.
func TestEnrolmentKeepsTheDocument(t *testing.T) {
	t.Parallel()
	s := newSmallTeam(t)
	a := newAdministrator(t, s.Dev)
	var made struct{ ID, URL string }
	response := a.expect(t, http.StatusCreated, "POST", "/admin/v1/enrollments", `{"client_id":"small","lifetime_seconds":3600}`)
	if err := json.Unmarshal(response.Body, &made); err != nil || !strings.HasPrefix(made.URL, s.Issuer+"/enroll#") {
		t.Fatalf("%v %s", err, response)
	}
	shown := a.expect(t, http.StatusOK, "GET", "/admin/v1/enrollments/"+made.ID, "")
	if strings.Contains(string(shown.Body), made.URL[strings.Index(made.URL, "#")+1:]) {
		t.Error("the secret is shown again")
	}
	a.expect(t, http.StatusOK, "GET", "/admin/v1/clients/small/enrollments", "")
	a.expect(t, http.StatusOK, "POST", "/admin/v1/enrollments/"+made.ID+"/cancel", `{"reason":"test"}`)
	a.expect(t, http.StatusUnprocessableEntity, "POST", "/admin/v1/enrollments", `{"client_id":"nobody"}`)
	a.expect(t, http.StatusUnprocessableEntity, "POST", "/admin/v1/enrollments", `{"client_id":"small","lifetime_seconds":1}`)
	a.expect(t, http.StatusUnprocessableEntity, "POST", "/admin/v1/enrollments", `{"client_id":"small"}`, "Idempotency-Key", "k")
	result := harness.Run(t, "cert", "enroll", made.URL, "--key", s.file("c.key"), "--cert", s.file("c.pem"), "--ca", s.file("ca.pem"))
	if result.Code != 2 {
		t.Errorf("a cancelled link: %d %s", result.Code, result.Stderr)
	}
}
