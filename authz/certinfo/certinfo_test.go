package certinfo_test

import (
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/certbound/certbound/authz/certinfo"
	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/keys/thumbprint"
)

func TestWarnings(t *testing.T) {
	root := keystest.NewCA(t, "root")
	issuing := root.Intermediate(t, "issuing")
	now := time.Now()
	year := keystest.Validity(now.Add(-time.Hour), now.AddDate(0, 6, 0))
	named := []keystest.Option{keystest.DNS("a.test"), year}
	leaf := func(opts ...keystest.Option) *certinfo.File {
		return &certinfo.File{Certificates: []*x509.Certificate{root.Client(t, append(slices.Clone(named), opts...)...).Cert}}
	}
	with := func(f *certinfo.File, more ...*x509.Certificate) *certinfo.File {
		f.Certificates = append(f.Certificates, more...)
		return f
	}
	organisation := keystest.Subject(pkix.Name{Organization: []string{"Acme"}, CommonName: "a"})
	for name, c := range map[string]struct {
		file *certinfo.File
		want string // codes
	}{
		"nothing":             {leaf(), ""},
		"key in the file":     {&certinfo.File{Certificates: leaf().Certificates, PrivateKey: true}, "private_key"},
		"another block":       {&certinfo.File{Certificates: leaf().Certificates, Other: []string{"DH PARAMETERS"}}, "other_block"},
		"v1":                  {leaf(keystest.Version1()), "version no_client_auth no_san cn_only"},
		"RSA 1024":            {leaf(keystest.RSA(1024)), "weak"},
		"P-224":               {leaf(keystest.EC(elliptic.P224())), "weak"},
		"critical extension":  {leaf(keystest.CriticalExtension()), "critical_extension"},
		"server only":         {leaf(keystest.EKU(x509.ExtKeyUsageServerAuth)), "no_client_auth"},
		"no EKU":              {leaf(keystest.NoEKU()), "no_client_auth"},
		"any EKU":             {leaf(keystest.EKU(x509.ExtKeyUsageAny)), ""},
		"key usage":           {leaf(keystest.KeyUsage(x509.KeyUsageKeyEncipherment)), "key_usage"},
		"CA":                  {leaf(keystest.IsCA()), "authority"},
		"expired":             {leaf(keystest.Expired()), "expired"},
		"not yet valid":       {leaf(keystest.NotYetValid()), "not_yet_valid"},
		"soon":                {leaf(keystest.Validity(now.AddDate(0, -3, 0), now.AddDate(0, 0, 20))), "expires_soon"},
		"short-lived":         {leaf(keystest.Validity(now.Add(-time.Hour), now.Add(23*time.Hour))), ""},
		"two years":           {leaf(keystest.Validity(now, now.AddDate(2, 0, 0))), "lifetime"},
		"CN only":             {leaf(keystest.DNS()), "no_san cn_only"},
		"no SAN":              {leaf(keystest.DNS(), organisation), "no_san"},
		"no name":             {leaf(keystest.DNS(), keystest.Subject(pkix.Name{})), "nameless"},
		"self-signed":         {&certinfo.File{Certificates: []*x509.Certificate{keystest.SelfSigned(t, named...).Cert}}, "self_signed"},
		"root sent":           {with(leaf(), root.Cert), "root_sent"},
		"chain out of order":  {with(leaf(), issuing.Cert), "order"},
		"namesake in chain":   {with(leaf(), keystest.NewCA(t, "root").Cert), "order root_sent"},
		"eleven certificates": {with(leaf(), root.Deep(t, 10).Above...), "too_much order"},
	} {
		t.Run(name, func(t *testing.T) {
			var codes []string
			for _, w := range certinfo.New(c.file, now).Warnings {
				codes = append(codes, w.Code)
			}
			if got := strings.Join(codes, " "); got != c.want {
				t.Errorf("warnings %q, want %q", got, c.want)
			}
		})
	}
}

func TestReport(t *testing.T) {
	pair := keystest.NewCA(t, "partners").Client(t, keystest.URI("spiffe://acme/billing"), keystest.DNS("a.test"))
	data := append(pair.CertPEM(), pair.KeyPEM()...)
	file, err := certinfo.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	report := certinfo.New(file, time.Now())
	c := report.Certificates[0]
	if c.Thumbprint != thumbprint.Of(pair.Cert).String() || len(c.SHA256Hex) != 64 || len(c.SHA1Hex) != 40 || c.Version != 3 {
		t.Errorf("%+v", c)
	}
	want := &certinfo.Suggested{Member: "tls_client_auth_san_uri", Value: "spiffe://acme/billing"}
	if diff := cmp.Diff(want, c.Suggested); diff != "" {
		t.Error(diff)
	}
	out, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	secret := strings.Split(string(pair.KeyPEM()), "\n")[1]
	if strings.Contains(string(out), secret) || !strings.Contains(string(out), "HOLDS A PRIVATE KEY") {
		t.Errorf("%s", string(out))
	}
}

func TestParseRefuses(t *testing.T) {
	pair := keystest.SelfSigned(t)
	good := string(pair.CertPEM())
	torn := strings.Replace(good, "-----END", "--END", 1)
	for name, c := range map[string]struct{ data, want string }{
		"empty":         {" \n", "certinfo: the file is empty"},
		"text":          {"hello", "certinfo: the file is neither PEM nor DER; a certificate in PEM begins with -----BEGIN CERTIFICATE-----"},
		"base64 alone":  {base64.StdEncoding.EncodeToString(pair.Cert.Raw), "certinfo: the file is neither PEM nor DER; a certificate in PEM begins with -----BEGIN CERTIFICATE-----"},
		"a key":         {string(pair.KeyPEM()), "certinfo: no CERTIFICATE block in the file; it holds a private key"},
		"a torn block":  {good + torn, "certinfo: 2 PEM blocks begin in the file, only 1 can be read"},
		"another block": {"-----BEGIN PKCS7-----\nAAAA\n-----END PKCS7-----\n", `certinfo: no CERTIFICATE block in the file; it holds "PKCS7"`},
		"PKCS #12":      {"\x30\x05\x02\x01\x03\x30\x00", "certinfo: this looks like PKCS #12, which may hold a private key; take the certificates out with: openssl pkcs12 -nokeys -in FILE"},
		"PKCS #7":       {"\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02", "certinfo: this looks like PKCS #7; take the certificates out with: openssl pkcs7 -inform DER -print_certs -in FILE"},
		"large":         {strings.Repeat(" ", 1<<20+1), "certinfo: 1048577 bytes are over the limit of 1048576"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := certinfo.Parse([]byte(c.data)); err == nil || err.Error() != c.want {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
	if f, err := certinfo.Parse(pair.Cert.Raw); err != nil || !f.DER {
		t.Errorf("DER: %+v, %v", f, err)
	}
}

// FuzzParse: whatever is in the file, it is described without a panic, and what
// does not print does not reach the terminal.
// TestRead: a request is seen as the certificate that is asked for.
func TestRead(t *testing.T) {
	pair := keystest.SelfSigned(t)
	request := func(change func(*x509.CertificateRequest)) []byte {
		r := &x509.CertificateRequest{Subject: pkix.Name{CommonName: "a", Organization: []string{"Acme"}}, DNSNames: []string{"a.test"}}
		if change != nil {
			change(r)
		}
		der, err := x509.CreateCertificateRequest(rand.Reader, r, pair.Key)
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
	}
	file, err := certinfo.Read(request(nil))
	if err != nil {
		t.Fatal(err)
	}
	report := certinfo.New(file, time.Now())
	if c := report.Certificates[0]; !file.Requested || c.Suggested == nil || *c.Suggested != (certinfo.Suggested{Member: "tls_client_auth_san_dns", Value: "a.test"}) || c.Subject != "CN=a,O=Acme" {
		t.Errorf("%+v %+v", c, c.Suggested)
	}
	if len(report.Warnings) != 1 || report.Warnings[0].Code != "no_client_auth" {
		t.Errorf("warnings %+v", report.Warnings)
	}
	if file, err := certinfo.Read(append(request(nil), pair.KeyPEM()...)); err != nil || !file.PrivateKey {
		t.Errorf("a key beside it: %v", err)
	}
	if file, err := certinfo.Read(pair.CertPEM()); err != nil || file.Requested {
		t.Errorf("a certificate: %v", err)
	}
	spoiled, _ := pem.Decode(request(nil))
	spoiled.Bytes[len(spoiled.Bytes)-1] ^= 1
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"two":               {append(request(nil), request(nil)...), "certinfo: more than one certificate request in the file"},
		"and a certificate": {append(request(nil), pair.CertPEM()...), "certinfo: a certificate request and something else in one file"},
		"spoiled":           {pem.EncodeToMemory(spoiled), "certinfo: the certificate request is not signed by the key it names: "},
		"no request":        {pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: []byte("x")}), "certinfo: the certificate request: "},
	} {
		if _, err := certinfo.Read(c.data); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	pair := keystest.NewCA(f, "partners").Client(f, keystest.URI("spiffe://a/b"), keystest.CommonName("\x1b[31mred"))
	f.Add(pair.CertPEM())
	f.Add(pair.Cert.Raw)
	f.Add(append(pair.KeyPEM(), pair.CertPEM()...))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := certinfo.Read(data)
		if err != nil {
			return
		}
		if report := certinfo.New(file, time.Unix(1<<30, 0)); len(report.Certificates) != len(file.Certificates) {
			t.Errorf("%d of %d certificates are described", len(report.Certificates), len(file.Certificates))
		}
	})
}
