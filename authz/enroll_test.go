package authz_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/certbound/certbound/authz/enroll"
	"github.com/certbound/certbound/authz/registration"
	"github.com/certbound/certbound/keys"
	"github.com/certbound/certbound/keys/ca"
	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/keys/trust"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/storage"
)

const smallURI = "spiffe://small.example/app"

// small is a world with a team that has no CA: client small-app, whose bundle
// believes a root of which an intermediate is online.
type small struct {
	*world
	root, issuing *ca.Authority
}

func newSmall(t *testing.T, wrap ...func(storage.Store) storage.Store) *small {
	t.Helper()
	s := &small{world: newWorld(t, wrap...)}
	now := s.clock()
	var err error
	if s.root, err = ca.NewRoot(pkix.Name{CommonName: "Small Root"}, 3650*24*time.Hour, now.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	s.issuing, err = s.root.Intermediate(ca.Spec{
		Subject: pkix.Name{CommonName: "Small Issuing"}, Lifetime: 1000 * 24 * time.Hour, Permitted: ca.Permitted{DNS: []string{"small.example"}},
	}, now.Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	more := &registration.Set{
		Partners:     []registration.Partner{{ID: "small"}},
		TrustBundles: []registration.TrustBundle{{Name: "small", Anchors: string(ca.EncodeCertificates(s.root.Cert))}},
		Clients: []registration.Client{
			{ClientID: "small-app", PartnerID: "small", AuthMethod: storage.TLSClientAuth, SANURI: smallURI, TrustBundle: "small", Scope: "accounts:read"},
			{ClientID: "small-b", PartnerID: "small", AuthMethod: storage.TLSClientAuth, SANDNS: "b.small.example", TrustBundle: "small", Scope: "accounts:read"},
		},
	}
	if err := more.Apply(t.Context(), s.store, now); err != nil {
		t.Fatal(err)
	}
	if err := s.server.ReloadTrust(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.goOnline(t)
	return s
}

func (s *small) goOnline(t *testing.T) {
	t.Helper()
	bundle, err := trust.New(trust.Spec{Name: "small", Version: 1, Anchors: ca.EncodeCertificates(s.root.Cert)}, s.clock())
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := enroll.NewIssuer(ca.EncodeCertificates(s.issuing.Cert), s.issuing.Key, bundle, s.clock())
	if err != nil {
		t.Fatal(err)
	}
	record, err := issuer.Seal(s.sealer, "small", s.clock())
	if err != nil {
		t.Fatal(err)
	}
	s.update(t, func(tx storage.Tx) error { return tx.PutEnrollmentIssuer(t.Context(), record) })
}

// link makes one, and returns its secret.
func (s *small) link(t *testing.T, clientID string) (secret, id string) {
	t.Helper()
	client, err := s.store.Client(t.Context(), clientID)
	if err != nil {
		t.Fatal(err)
	}
	link, err := enroll.NewLink(client, enroll.DefaultLifetime, time.Hour, "admin", s.clock())
	if err != nil {
		t.Fatal(err)
	}
	s.update(t, func(tx storage.Tx) error { return tx.CreateEnrollment(t.Context(), link.Enrollment) })
	at, err := url.Parse(link.URL(issuer))
	if err != nil || at.Path != "/enroll" || at.RawQuery != "" {
		t.Fatalf("the link is %s, %v", at, err)
	}
	return at.Fragment, link.Enrollment.ID
}

// enrolled is what came of a request.
type enrolled struct {
	answer
	got struct {
		ClientID    string `json:"client_id"`
		Certificate string `json:"certificate"`
		Chain       string `json:"chain"`
		Thumbprint  string `json:"x5t#S256"`
	}
	pair keystest.Pair
}

func (s *small) enroll(t *testing.T, with *keystest.Pair, key crypto.Signer, members map[string]any) enrolled {
	t.Helper()
	text, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return s.enrollText(t, with, key, "application/json", string(text))
}

func (s *small) enrollText(t *testing.T, with *keystest.Pair, key crypto.Signer, media, text string) enrolled {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.http.URL+"/enroll", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", media)
	e := enrolled{answer: s.do(s.client(with), r)}
	if e.status != http.StatusOK {
		return e
	}
	if err := json.Unmarshal([]byte(e.text), &e.got); err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(e.got.Certificate))
	chain, _ := pem.Decode([]byte(e.got.Chain))
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	above, err := x509.ParseCertificate(chain.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	e.pair = keystest.Pair{Cert: leaf, Key: key, Chain: []*x509.Certificate{above}}
	return e
}

func newRequest(t *testing.T, p ca.ClientProfile) (crypto.Signer, string) {
	t.Helper()
	key, err := ca.NewKey(ca.DefaultKeyKind)
	if err != nil {
		t.Fatal(err)
	}
	text, err := ca.NewRequest(key, p)
	if err != nil {
		t.Fatal(err)
	}
	return key, string(text)
}

func TestEnroll(t *testing.T) {
	s := newSmall(t)
	secret, _ := s.link(t, "small-app")
	key, csr := newRequest(t, ca.ClientProfile{})
	e := s.enroll(t, nil, key, map[string]any{"secret": secret, "csr": csr})
	if e.status != http.StatusOK || e.got.ClientID != "small-app" || e.got.Thumbprint != thumbprint.Of(e.pair.Cert).String() {
		t.Fatalf("%s", e.text)
	}
	leaf := e.pair.Cert
	if leaf.URIs[0].String() != smallURI || len(leaf.DNSNames) > 0 || leaf.Subject.CommonName != "small-app" || leaf.IsCA {
		t.Errorf("the certificate says %v %v %v", leaf.URIs, leaf.DNSNames, leaf.Subject)
	}
	if got := leaf.NotAfter.Sub(s.clock()); got != enroll.DefaultLifetime {
		t.Errorf("it lives %s", got)
	}
	if a := s.token(&e.pair, "small-app"); a.status != http.StatusOK {
		t.Errorf("it gets no token: %s", a.text)
	}
	if a := s.token(&e.pair, "small-b"); a.status != http.StatusUnauthorized {
		t.Errorf("it gets a token of another client: %s", a.text)
	}
	record, err := s.store.Certificate(t.Context(), thumbprint.Of(leaf))
	if err != nil || record.Source != storage.CertificateEnrolled || record.ClientID != "small-app" {
		t.Errorf("on record: %+v, %v", record, err)
	}
	// Once.
	_, other := newRequest(t, ca.ClientProfile{})
	again := s.enroll(t, nil, nil, map[string]any{"secret": secret, "csr": other})
	if again.status != http.StatusForbidden || again.body.Reason != decision.EnrollmentRefused {
		t.Errorf("a second time: %s", again.text)
	}
	if strings.Contains(s.log.text(), secret) {
		t.Error("the secret is in the log")
	}
}

func TestEnrollRefuses(t *testing.T) {
	s := newSmall(t)
	key, csr := newRequest(t, ca.ClientProfile{})
	private, err := ca.EncodeKey(key)
	if err != nil {
		t.Fatal(err)
	}
	named := func(p ca.ClientProfile) string { _, text := newRequest(t, p); return text }
	uri := func(text string) []*url.URL {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return []*url.URL{u}
	}
	secret, id := s.link(t, "small-app")
	expired, _ := s.link(t, "small-app")
	cancelled, cancelledID := s.link(t, "small-app")
	s.update(t, func(tx storage.Tx) error { return tx.CancelEnrollment(t.Context(), cancelledID, s.clock()) })
	unknown := strings.Repeat("A", 43)
	good := map[string]any{"secret": secret, "csr": csr}
	with := func(name string, value any) map[string]any {
		return map[string]any{"secret": secret, "csr": csr, name: value}
	}
	stranger := ""
	for _, tt := range []struct {
		name   string
		body   any
		status int
		want   decision.Reason
	}{
		{"no JSON", "x", 400, decision.EnrollmentMalformed},
		{"no object", []int{1}, 400, decision.EnrollmentMalformed},
		{"no CSR", map[string]any{"secret": secret}, 400, decision.EnrollmentMalformed},
		{"a member too many", with("lifetime", "1"), 400, decision.EnrollmentMalformed},
		{"a number", with("csr", 1), 400, decision.EnrollmentMalformed},
		{"a key beside", with("csr", csr+string(private)), 422, decision.PrivateKeySent},
		{"a key as the secret", with("secret", string(private)), 422, decision.PrivateKeySent},
		{"no PEM", with("csr", "x"), 422, decision.RequestRefused},
		{"unknown secret", with("secret", unknown), 403, decision.EnrollmentRefused},
		{"malformed secret", with("secret", "x"), 403, decision.EnrollmentRefused},
		{"cancelled", with("secret", cancelled), 403, decision.EnrollmentRefused},
		{"nothing at all", map[string]any{"csr": csr}, 403, decision.EnrollmentRefused},
		{"another URI", with("csr", named(ca.ClientProfile{URIs: uri("spiffe://small.example/b")})), 422, decision.EnrollmentMismatch},
		{"a name more", with("csr", named(ca.ClientProfile{URIs: uri(smallURI), DNSNames: []string{"b.small.example"}})), 422, decision.EnrollmentMismatch},
		{"an address", with("csr", named(ca.ClientProfile{URIs: uri(smallURI), Emails: []string{"a@small.example"}})), 422, decision.EnrollmentMismatch},
		{"another subject", with("csr", named(ca.ClientProfile{Subject: pkix.Name{CommonName: "small-b"}})), 422, decision.EnrollmentMismatch},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text, err := json.Marshal(tt.body)
			if err != nil {
				t.Fatal(err)
			}
			e := s.enrollText(t, nil, nil, "application/json", string(text))
			if e.status != tt.status || e.body.Reason != tt.want {
				t.Errorf("%d %s, want %d %s", e.status, e.body.Reason, tt.status, tt.want)
			}
			if tt.want == decision.EnrollmentRefused {
				shape := strings.Replace(e.text, e.body.RequestID, "", 1)
				if stranger == "" {
					stranger = shape
				}
				if shape != stranger {
					t.Errorf("this refusal looks different from outside:\n%s\n%s", shape, stranger)
				}
			}
		})
	}
	if e := s.enrollText(t, nil, nil, "text/plain", "{}"); e.body.Reason != decision.EnrollmentMalformed {
		t.Errorf("text/plain: %s", e.text)
	}
	// None of it has used the link up; what it says of itself is left to choose.
	if link, err := s.store.Enrollment(t.Context(), id); err != nil || !link.UsedAt.IsZero() {
		t.Errorf("the link: %+v, %v", link, err)
	}
	s.advance(2 * time.Minute) // for the rate
	good["csr"] = named(ca.ClientProfile{Subject: pkix.Name{CommonName: "small-app"}, URIs: uri(smallURI)})
	if e := s.enroll(t, nil, key, good); e.status != http.StatusOK {
		t.Errorf("the right names: %s", e.text)
	}
	s.advance(time.Hour)
	if e := s.enroll(t, nil, nil, map[string]any{"secret": expired, "csr": csr}); e.body.Reason != decision.EnrollmentRefused {
		t.Errorf("expired: %s", e.text)
	}
}

// TestEnrollOnce: of many who use a link at once, one gets a certificate.
func TestEnrollOnce(t *testing.T) {
	s := newSmall(t)
	secret, id := s.link(t, "small-app")
	var mu sync.Mutex
	count := map[int]int{}
	var all sync.WaitGroup
	for range 20 {
		_, csr := newRequest(t, ca.ClientProfile{})
		all.Go(func() {
			e := s.enroll(t, nil, nil, map[string]any{"secret": secret, "csr": csr})
			mu.Lock()
			defer mu.Unlock()
			count[e.status]++
		})
	}
	all.Wait()
	if count[http.StatusOK] != 1 || count[http.StatusForbidden] != 19 {
		t.Errorf("answers %v", count)
	}
	known, err := s.store.ClientCertificates(t.Context(), "small-app")
	if err != nil || len(known) != 1 {
		t.Errorf("%d certificates, %v", len(known), err)
	}
	if link, err := s.store.Enrollment(t.Context(), id); err != nil || link.Thumbprint != known[0].Thumbprint {
		t.Errorf("%+v, %v", link, err)
	}
}

func TestEnrollRate(t *testing.T) {
	s := newSmall(t)
	for range 30 {
		if e := s.enrollText(t, nil, nil, "application/json", "{}"); e.status != http.StatusBadRequest {
			t.Fatalf("%s", e.text)
		}
	}
	e := s.enrollText(t, nil, nil, "application/json", "{}")
	if e.status != http.StatusTooManyRequests || e.header.Get("Retry-After") != "2" {
		t.Errorf("%v %s", e.header, e.text)
	}
	s.advance(3 * time.Second)
	if e := s.enrollText(t, nil, nil, "application/json", "{}"); e.status != http.StatusBadRequest {
		t.Errorf("a while later: %s", e.text)
	}
}

func TestRenew(t *testing.T) {
	s := newSmall(t)
	secret, _ := s.link(t, "small-app")
	key, csr := newRequest(t, ca.ClientProfile{})
	first := s.enroll(t, nil, key, map[string]any{"secret": secret, "csr": csr})
	if first.status != http.StatusOK {
		t.Fatal(first.text)
	}
	key, csr = newRequest(t, ca.ClientProfile{})
	second := s.enroll(t, &first.pair, key, map[string]any{"csr": csr})
	if second.status != http.StatusOK || second.pair.Cert.URIs[0].String() != smallURI {
		t.Fatalf("renewal: %s", second.text)
	}
	if got := second.pair.Cert.NotAfter.Sub(s.clock()); got != enroll.DefaultLifetime {
		t.Errorf("it lives %s", got)
	}
	for name, pair := range map[string]*keystest.Pair{"the new": &second.pair, "the old": &first.pair} {
		if a := s.token(pair, "small-app"); a.status != http.StatusOK {
			t.Errorf("%s gets no token: %s", name, a.text)
		}
	}
	refused := func(name string, pair *keystest.Pair, csr string, want decision.Reason, public decision.Reason) {
		t.Helper()
		e := s.enroll(t, pair, nil, map[string]any{"csr": csr})
		if e.body.Reason != public || s.log.decision(t, e.body.RequestID)["reason"] != string(want) {
			t.Errorf("%s: %s, want %s", name, e.text, want)
		}
	}
	_, others := newRequest(t, ca.ClientProfile{DNSNames: []string{"b.small.example"}})
	refused("for another identity", &second.pair, others, decision.EnrollmentMismatch, decision.EnrollmentMismatch)
	refused("signed elsewhere", &s.acme, csr, decision.CertificateNotRegistered, decision.ClientAuthenticationFailed)
	s.update(t, func(tx storage.Tx) error {
		return tx.DenyCertificate(t.Context(), storage.CertificateDenial{Thumbprint: thumbprint.Of(first.pair.Cert), Reason: "lost", CreatedAt: s.clock()})
	})
	refused("revoked", &first.pair, csr, decision.CertificateRevoked, decision.ClientAuthenticationFailed)
}

// TestResealedIssuer: what an old key-encryption key has sealed is sealed anew, and a
// wrong one is noticed.
func TestResealedIssuer(t *testing.T) {
	s := newSmall(t)
	before, err := s.store.EnrollmentIssuer(t.Context(), "small")
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(s.issuing.Key)
	if err != nil || bytes.Contains(before.Sealed, key) {
		t.Fatalf("the key is in clear, %v", err)
	}
	if err := enroll.Reseal(t.Context(), s.store, newSealer(t, "other")); err == nil {
		t.Error("a wrong key-encryption key opens it")
	}
}

func newSealer(t *testing.T, id string) *keys.Sealer {
	t.Helper()
	sealer, err := keys.NewSealer(keys.KEK{ID: id, Key: bytes.Repeat([]byte{7}, 32)})
	if err != nil {
		t.Fatal(err)
	}
	return sealer
}
