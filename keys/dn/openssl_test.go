package dn

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/certbound/certbound/keys/keystest"
)

// disagreement is a reason for which what openssl prints does not lead back to
// the name in the certificate. docs/names.md explains each to operators. In every
// one of them certbound refuses or does not match: nobody gets in by it.
type disagreement string

const (
	latin1      disagreement = "TeletexString outside ASCII: openssl takes it for Latin-1, certbound compares its DER"
	numeric     disagreement = "NumericString: openssl prints it as text, certbound compares its DER"
	blank       disagreement = "empty and blank values: openssl prints them, certbound wants #hex"
	forbidden   disagreement = "NUL, private use, unassigned: RFC 4518 §2.4 prohibits them, openssl prints them"
	surrogate   disagreement = "surrogates in BMPString: UCS-2 has none, both refuse the certificate"
	unknownName disagreement = "a type openssl has a name for and certbound has not: certbound wants its dotted OID"
)

// explain says which disagreement a value is subject to, or "".
func explain(a generated) disagreement {
	text, isText, err := decodeString(a.value())
	prepared, prepareErr := prepare(text)
	_, named := nameByOID[a.oid]
	switch {
	case slices.Contains(namedByOpenssl, a.oid):
		return unknownName
	case a.tag == asn1.TagBMPString && err != nil:
		return surrogate
	case isText && prepareErr != nil:
		return forbidden
	case a.tag == numericString && named:
		return numeric
	case a.tag == asn1.TagT61String && !isText && named:
		return latin1
	case isText && prepared == "" && named:
		return blank
	}
	return ""
}

func (n generatedName) explanations() (all []disagreement) {
	for _, set := range n {
		for _, a := range set {
			if why := explain(a); why != "" && !slices.Contains(all, why) {
				all = append(all, why)
			}
		}
	}
	return all
}

// value is the value's DER.
func (a generated) value() []byte {
	der, err := asn1.Marshal(asn1.RawValue{Tag: a.tag, Bytes: a.raw})
	if err != nil {
		panic(err)
	}
	return der
}

// opensslReader asks openssl how it reads subjects.
type opensslReader struct {
	t    testing.TB
	path string
	key  *ecdsa.PrivateKey
}

func newOpenssl(t testing.TB) *opensslReader {
	t.Helper()
	path := keystest.Program(t, "openssl")
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &opensslReader{t, path, key}
}

// certificate is one with that subject, which crypto/x509 need not be able to read.
func (o *opensslReader) certificate(subject []byte) []byte {
	o.t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), RawSubject: subject, NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour)}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, o.key.Public(), o.key)
	if err != nil {
		o.t.Fatal(err)
	}
	return raw
}

// subject is how openssl prints the subject of a DER certificate; nothing when
// it refuses to read it.
func (o *opensslReader) subject(cert []byte, nameopt string) string {
	o.t.Helper()
	cmd := exec.CommandContext(o.t.Context(), o.path, "x509", "-inform", "DER", "-noout", "-subject", "-nameopt", nameopt)
	cmd.Stdin = bytes.NewReader(cert)
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		o.t.Fatalf("openssl: %v", err)
	}
	return strings.TrimSuffix(strings.TrimPrefix(string(out), "subject="), "\n")
}

// nameopts are the two ways to print a DN that a person would register: all in
// ASCII, and readable.
var nameopts = []string{"RFC2253", "RFC2253,-esc_msb"}

const generatedNames = 250

// TestOpensslReadsTheSameNames is the differential: what openssl prints of a
// certificate is registered, and has to match that certificate and none that
// differs from it.
func TestOpensslReadsTheSameNames(t *testing.T) {
	openssl := newOpenssl(t)
	g := newGenerator(8705)
	agreed, explained := 0, map[disagreement]int{}
	for i := range generatedNames {
		name := g.name()
		der := name.der(t)
		printed := openssl.subject(openssl.certificate(der), nameopts[i%len(nameopts)])
		registered, err := Parse(printed)
		presented, err2 := FromDER(der)
		err = errors.Join(err, err2)
		why := name.explanations()
		switch agree := err == nil && registered.Equal(presented); {
		case agree && len(why) > 0:
			t.Errorf("openssl prints %q: they agree, although %v", printed, why)
		case agree:
			agreed++
			notMutated(t, g, name, registered)
		case len(why) == 0:
			t.Errorf("openssl prints %q, the certificate has %q (%v): no explanation", printed, presented, err)
		}
		for _, w := range why {
			explained[w]++
		}
	}
	if agreed < 200 {
		t.Errorf("only %d of %d names agree: too few are left to tell something", agreed, generatedNames)
	}
	for _, why := range []disagreement{latin1, numeric, blank, forbidden, surrogate, unknownName} {
		if explained[why] == 0 {
			t.Errorf("not seen: %s", why)
		}
		t.Logf("%4d  %s", explained[why], why)
	}
	t.Logf("%4d  agree", agreed)
}

// notMutated: names that differ from the registered one are other names.
func notMutated(t *testing.T, g generator, name generatedName, registered Name) {
	t.Helper()
	for what, mutate := range mutations {
		mutated := mutate(g, name.clone())
		presented, err := FromDER(mutated.der(t))
		if err != nil {
			continue
		}
		if registered.Equal(presented) {
			t.Errorf("%s: %q still equals %q", what, presented, registered)
		}
		if Diff(registered, presented) == "" {
			t.Errorf("%s: no difference between %q and %q is shown", what, presented, registered)
		}
	}
}

// TestOpensslRequests: names as operators write them for openssl req, in the
// string types it chooses.
func TestOpensslRequests(t *testing.T) {
	openssl := newOpenssl(t)
	key, err := x509.MarshalPKCS8PrivateKey(openssl.key)
	if err != nil {
		t.Fatal(err)
	}
	keyFile := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, subj := range []string{
		`/CN=billing`, `/C=GB/O=Acme Ltd/CN=billing`, `/C=GB/O=Acme\, Ltd/CN=billing`, `/O=A\/B/CN=a`, `/CN=a+OU=b/O=c`,
		`/C=DE/O=Müller GmbH/CN=Straße`, `/DC=net/DC=example/CN=a`, `/C=GB/organizationIdentifier=PSDGB-FCA-123/CN=tpp`,
		`/UID=67c57882/CN=bank.example/businessCategory=Private Organization/jurisdictionC=BR/serialNumber=1`,
		`/emailAddress=Ops@Acme.example/CN=ops`, `/GN=Ada/SN=Lovelace/title=Dr/CN=Ada Lovelace`, `/CN=#hash`, `/CN=a\+b`,
		`/street=Main St 1/postalCode=10115/L=Berlin/C=DE`, `/CN= padded `, `/pseudonym=x/dnQualifier=y/initials=z/generationQualifier=Jr`,
	} {
		cmd := exec.CommandContext(t.Context(), openssl.path, "req", "-x509", "-new", "-key", keyFile, "-utf8", "-days", "1", "-outform", "DER", "-subj", subj)
		raw, err := cmd.Output()
		if err != nil {
			t.Fatalf("openssl req %s: %v", subj, err)
		}
		cert, err := x509.ParseCertificate(raw)
		if err != nil {
			t.Fatalf("%s: %v", subj, err)
		}
		presented, err := FromDER(cert.RawSubject)
		if err != nil {
			t.Fatalf("%s: %v", subj, err)
		}
		for _, nameopt := range nameopts {
			printed := openssl.subject(raw, nameopt)
			if !utf8.ValidString(printed) {
				t.Errorf("%s is printed as %q", subj, printed)
			}
			if diff := Diff(mustParse(t, printed), presented); diff != "" {
				t.Errorf("%s is printed as %q: %s", subj, printed, diff)
			}
		}
	}
}
