package trust

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/keys/keystest"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

func TestNewRefuses(t *testing.T) {
	root := keystest.NewCA(t, "root")
	inter := root.Intermediate(t, "inter")
	expired := keystest.NewCA(t, "expired", keystest.Validity(now.AddDate(-2, 0, 0), now.AddDate(-1, 0, 0)))
	leaf := client(t, root)
	good := string(root.CertPEM())
	next := strconv.Itoa(strings.Count(good, "\n") + 1) // the line after it
	const prefix = "trust: bundle partners: "
	for _, tt := range []struct {
		name string
		spec Spec
		want string
	}{
		{"no anchor", Spec{}, prefix + "anchors: there is no certificate"},
		{"blank anchors", Spec{Anchors: []byte("\n # none\n")}, prefix + "anchors: line 2: text outside of a PEM block (comments begin with #)"},
		{"only comments", Spec{Anchors: []byte("\n# none\n")}, prefix + "anchors: there is no certificate"},
		{"private key", Spec{Anchors: []byte(good + string(leaf.KeyPEM()))}, prefix + "anchors: line " + next + ": a private key does not belong in a trust bundle; if it is in use, replace it"},
		{"trailing garbage", Spec{Anchors: []byte(good + "garbage")}, prefix + "anchors: line " + next + ": text outside of a PEM block (comments begin with #)"},
		{"text before", Spec{Anchors: []byte("subject=CN = root\n" + good)}, prefix + "anchors: line 1: text outside of a PEM block (comments begin with #)"},
		{"damaged BEGIN", Spec{Anchors: []byte(good + good[1:])}, prefix + "anchors: line " + next + ": text outside of a PEM block (comments begin with #)"},
		{"END missing", Spec{Anchors: []byte(good[:len(good)-27])}, prefix + "anchors: line 1: the PEM block that begins here has no END line"},
		{"END missing before the next", Spec{Anchors: []byte("-----BEGIN CERTIFICATE-----\nAAAA\n" + good)}, prefix + "anchors: line 3: a PEM block begins before the one above it has ended"},
		{"wrong END", Spec{Anchors: []byte(strings.Replace(good, "END C", "END X", 1))}, prefix + "anchors: line 1: certificate 1: malformed PEM block"},
		{"PEM header", Spec{Anchors: []byte("-----BEGIN CERTIFICATE-----\nA: b\n\n" + strings.TrimPrefix(good, "-----BEGIN CERTIFICATE-----\n"))}, prefix + "anchors: line 1: certificate 1: malformed PEM block"},
		{"not a certificate", Spec{Anchors: []byte("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n")}, prefix + "anchors: line 1: certificate 1: not a certificate: x509: malformed tbs certificate"},
		{"another kind of block", Spec{Anchors: []byte("-----BEGIN TRUSTED CERTIFICATE-----\n")}, prefix + "anchors: line 1: a PEM block that is not a CERTIFICATE"},
		{"oversize", Spec{Anchors: make([]byte, maxPEM+1)}, prefix + "anchors: 1048577 bytes are over the limit of 1048576"},
		{"stray leaf", Spec{Anchors: anchors(root), Intermediates: leaf.CertPEM()}, prefix + "intermediates: certificate 1 (CN=client): it is not a certificate authority (CA:TRUE is missing, RFC 5280 §4.2.1.9)"},
		{"no keyCertSign", Spec{Anchors: keystest.NewCA(t, "mute", keystest.KeyUsage(x509.KeyUsageCRLSign)).CertPEM()}, prefix + "anchors: certificate 1 (CN=mute): its key usage lacks keyCertSign (RFC 5280 §4.2.1.3)"},
		{"no subject", Spec{Anchors: keystest.NewCA(t, "", keystest.Subject(pkix.Name{})).CertPEM()}, prefix + "anchors: certificate 1 ((no name)): it has no subject, so nothing can name it as issuer (RFC 5280 §4.1.2.6)"},
		{"weak", Spec{Anchors: keystest.NewCA(t, "weak", keystest.RSA(1024)).CertPEM()}, prefix + "anchors: certificate 1 (CN=weak): peercert: certificate is weak: its RSA key has 1024 bits, at least 2048 are needed"},
		{"critical extension", Spec{Anchors: keystest.NewCA(t, "odd", keystest.CriticalExtension()).CertPEM()}, prefix + "anchors: certificate 1 (CN=odd): it has a critical extension that is not understood (RFC 5280 §4.2): 1.3.6.1.4.1.32473.1"},
		{"expired", Spec{Anchors: anchors(root, expired)}, prefix + "anchors: certificate 2 (CN=expired): it expired at 2025-11-03T12:00:00Z"},
		{"duplicate", Spec{Anchors: anchors(root, root)}, prefix + "anchors: certificate 2 (CN=root): it is certificate 1 of anchors again"},
		{"duplicate across fields", Spec{Anchors: anchors(root), Intermediates: anchors(inter, root)}, prefix + "intermediates: certificate 2 (CN=root): it is certificate 1 of anchors again"},
		{"duplicate issuer", Spec{Anchors: anchors(root), Issuers: anchors(root, root)}, prefix + "issuers: certificate 2 (CN=root): it is certificate 1 of issuers again"},
		{"everything at once", Spec{Anchors: leaf.CertPEM(), Intermediates: []byte("x"), Issuers: leaf.CertPEM()},
			prefix + "intermediates: line 1: text outside of a PEM block (comments begin with #)\n" +
				prefix + "anchors: certificate 1 (CN=client): it is not a certificate authority (CA:TRUE is missing, RFC 5280 §4.2.1.9)\n" +
				prefix + "issuers: certificate 1 (CN=client): it is not a certificate authority (CA:TRUE is missing, RFC 5280 §4.2.1.9)"},
		{"depth", Spec{Anchors: anchors(root), MaxDepth: 11}, prefix + "max_depth 11 is not between 1 and 10, or 0 for 5"},
		{"negative depth", Spec{Anchors: anchors(root), MaxDepth: -1}, prefix + "max_depth -1 is not between 1 and 10, or 0 for 5"},
		{"version", Spec{Anchors: anchors(root), Version: -1}, prefix + "version -1: versions begin at 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.spec.Name = "partners"
			if tt.spec.Version == 0 {
				tt.spec.Version = 1
			}
			_, err := New(tt.spec, now)
			if err == nil {
				t.Fatal("accepted")
			}
			if err.Error() != tt.want {
				t.Errorf("\n got %s\nwant %s", err, tt.want)
			}
			if strings.Contains(err.Error(), "MIG") {
				t.Error("the error repeats the content")
			}
		})
	}
	if _, err := New(Spec{Version: 1, Anchors: anchors(root)}, now); err == nil || err.Error() != "trust: a bundle needs a name" {
		t.Error(err)
	}
}

func TestNewAccepts(t *testing.T) {
	root := keystest.NewCA(t, "root")
	issuing := root.Intermediate(t, "issuing")
	crlf := strings.ReplaceAll("# our partners\n\n"+string(root.CertPEM()), "\n", "\r\n")
	b := bundleOf(t, Spec{Name: "partners", Version: 3, Anchors: []byte(crlf), Intermediates: issuing.CertPEM(), Issuers: issuing.CertPEM()})
	if b.Name() != "partners" || b.Version() != 3 || b.String() != "partners@3" {
		t.Errorf("it is called %s, %d, %s", b.Name(), b.Version(), b)
	}
	// An authority of the future may be registered ahead of time.
	future := keystest.NewCA(t, "future", keystest.Validity(now.AddDate(1, 0, 0), now.AddDate(2, 0, 0)))
	bundleOf(t, Spec{Anchors: anchors(root, future)})
}

func mozillaRoot(t *testing.T, name string) *x509.Certificate {
	t.Helper()
	for root := range bundle.Roots() {
		if cert, err := x509.ParseCertificate(root.Certificate); err == nil && cert.Subject.CommonName == name {
			return cert
		}
	}
	t.Fatalf("the Mozilla store has no %q", name)
	return nil
}

func TestPublicRootIsRefused(t *testing.T) {
	spec := Spec{Name: "partners", Version: 1, Anchors: pemOf(mozillaRoot(t, "ISRG Root X1"))}
	_, err := New(spec, now)
	const want = "trust: bundle partners: anchors: certificate 1 (CN=ISRG Root X1,O=Internet Security Research Group,C=US): it is, or is issued by, a root in the Mozilla or the operating system's store, so strangers can get client certificates from it; set allow_public_roots only if that is meant"
	if err == nil || err.Error() != want {
		t.Errorf("\n got %v\nwant %s", err, want)
	}
	spec.AllowPublicRoots = true
	if _, err := New(spec, now); err != nil {
		t.Errorf("refused although allowed: %v", err)
	}
	spec.AllowPublicRoots = false
	if _, err := Load(spec); err != nil {
		t.Errorf("a registered bundle does not load: %v", err)
	}
}

func TestPublicRootsCover(t *testing.T) {
	system := keystest.NewCA(t, "system root")
	below := system.Intermediate(t, "below")
	private := keystest.NewCA(t, "private")
	isrg := mozillaRoot(t, "ISRG Root X1")
	store := mozillaAndSystem()
	withSystem := &publicRoots{keys: store.keys, pools: []*x509.CertPool{system.Pool()}}
	for _, tt := range []struct {
		name string
		cert *x509.Certificate
		at   time.Time
		want bool
	}{
		{"private", private.Cert, now, false},
		{"in the system store", system.Cert, now, true},
		{"below a root of the system store", below.Cert, now, true},
		{"Mozilla root", isrg, now, true},
		{"Mozilla root after its end", isrg, now.AddDate(100, 0, 0), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := withSystem.covers(tt.cert, tt.at); got != tt.want {
				t.Errorf("covers = %v", got)
			}
		})
	}
}
