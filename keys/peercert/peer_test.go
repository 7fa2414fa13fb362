package peercert_test

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/keys/peercert"
	"github.com/certbound/certbound/keys/thumbprint"
)

func state(chain ...*x509.Certificate) *tls.ConnectionState {
	return &tls.ConnectionState{HandshakeComplete: true, PeerCertificates: chain}
}

func TestFromTLS(t *testing.T) {
	pair := keystest.NewCA(t, "root").Deep(t, 2).Client(t)
	peer, err := peercert.FromTLS(state(append([]*x509.Certificate{pair.Cert}, pair.Chain...)...))
	if err != nil {
		t.Fatal(err)
	}
	if !peer.Leaf.Equal(pair.Cert) || !peer.Thumbprint.Equal(thumbprint.Of(pair.Cert)) {
		t.Error("the leaf is not the first certificate")
	}
	if len(peer.Intermediates) != 2 || !peer.Intermediates[1].Equal(pair.Chain[1]) {
		t.Errorf("%d intermediates", len(peer.Intermediates))
	}
}

func TestFromTLSRefuses(t *testing.T) {
	leaf := keystest.SelfSigned(t).Cert
	big := keystest.SelfSigned(t, keystest.ManyDNS(2000)).Cert
	repeat := func(c *x509.Certificate, n int) []*x509.Certificate {
		return slices.Repeat([]*x509.Certificate{c}, n)
	}
	ca := keystest.NewCA(t, "root")
	longName := ca.Client(t, keystest.Subject(manyUnits(600))).Cert
	longIssuer := keystest.NewCA(t, "long", keystest.Subject(manyUnits(600))).Client(t).Cert
	incomplete := state(leaf)
	incomplete.HandshakeComplete = false
	for _, tt := range []struct {
		name string
		cs   *tls.ConnectionState
		want error
		text string
	}{
		{"no TLS", nil, peercert.ErrMissing, "peercert: no client certificate: the connection is not TLS"},
		{"handshake under way", incomplete, peercert.ErrMissing, "peercert: no client certificate: the TLS handshake is not complete"},
		{"no certificate", state(), peercert.ErrMissing, "peercert: no client certificate: none was presented in the TLS handshake"},
		{"eleven certificates", state(repeat(leaf, 11)...), peercert.ErrMalformed,
			"peercert: certificate or chain cannot be used: 11 certificates were presented, at most 10 are read"},
		{"nil certificate", state(leaf, nil), peercert.ErrMalformed, "peercert: certificate or chain cannot be used: certificate 1 is empty"},
		{"a name that takes long to print", state(longName), peercert.ErrMalformed, ""},
		{"an issuer that takes long to print", state(longIssuer), peercert.ErrMalformed, ""},
		{"a long name behind the leaf", state(leaf, longName), peercert.ErrMalformed, ""},
		{"too many bytes", state(repeat(big, 2)...), peercert.ErrMalformed, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			peer, err := peercert.FromTLS(tt.cs)
			if !errors.Is(err, tt.want) || peer != nil {
				t.Fatalf("got %v, %v; want %v", peer, err, tt.want)
			}
			if tt.text != "" && err.Error() != tt.text {
				t.Errorf("got  %s\nwant %s", err, tt.text)
			}
		})
	}
	for _, ok := range [][]*x509.Certificate{repeat(leaf, 10), repeat(big, 1)} {
		if _, err := peercert.FromTLS(state(ok...)); err != nil {
			t.Errorf("within the limits: %v", err)
		}
	}
}

func TestDescription(t *testing.T) {
	cn, o := asn1.ObjectIdentifier{2, 5, 4, 3}, asn1.ObjectIdentifier{2, 5, 4, 10}
	// Two attributes in one RDN, and a CN before the O: pkix.Name keeps neither.
	name, err := asn1.Marshal(pkix.RDNSequence{
		{{Type: cn, Value: "acme, billing"}},
		{{Type: o, Value: "Acme"}, {Type: cn, Value: "x"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	pair := keystest.NewCA(t, "root").Client(t, keystest.RawSubject(name), keystest.SerialNumber(big.NewInt(0xAB0C)))
	peer, err := peercert.FromTLS(state(pair.Cert))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ got, want string }{
		{peer.Subject(), `CN=x+O=Acme,CN=acme\, billing`},
		{peer.Issuer(), "CN=root"},
		{peer.Serial(), "ab0c"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

// A Peer may be built by hand in a caller's test; nothing about it may panic.
func TestDescriptionOfIncompleteCertificate(t *testing.T) {
	peer := &peercert.Peer{Leaf: &x509.Certificate{
		RawSubject: []byte("not DER"), Subject: pkix.Name{CommonName: "a"}, Issuer: pkix.Name{CommonName: "b"},
	}}
	if got := peer.Subject() + " " + peer.Issuer() + " " + peer.Serial(); got != "CN=a CN=b " {
		t.Errorf("got %q", got)
	}
}

// What arrives over a wire is either a peer within the limits or an error.
func FuzzFromTLS(f *testing.F) {
	f.Add(keystest.SelfSigned(f).Cert.Raw, uint8(1))
	f.Add(keystest.SelfSigned(f, keystest.Version1()).Cert.Raw, uint8(11))
	f.Fuzz(func(t *testing.T, der []byte, copies uint8) {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return
		}
		peer, err := peercert.FromTLS(state(slices.Repeat([]*x509.Certificate{cert}, int(copies))...))
		if err != nil {
			return
		}
		if n := len(peer.Intermediates) + 1; n > peercert.MaxCertificates || n*len(der) > peercert.MaxBytes {
			t.Errorf("%d certificates of %d bytes got through", n, len(der))
		}
		_ = peer.Subject() + peer.Issuer() + peer.Serial()
		_ = peer.Check(cert.NotBefore)
	})
}

// manyUnits is a name of n short attributes, 11 bytes or more each.
func manyUnits(n int) pkix.Name {
	return pkix.Name{OrganizationalUnit: slices.Repeat([]string{"x"}, n)}
}

// TestLongNamesAreNotPrinted: a name may be long enough to be read and too long to
// be printed for each request.
func TestLongNamesAreNotPrinted(t *testing.T) {
	pair := keystest.NewCA(t, "root").Client(t, keystest.Subject(manyUnits(120)))
	peer, err := peercert.FromTLS(state(pair.Cert))
	if err != nil {
		t.Fatal(err)
	}
	if got := peer.Subject(); !strings.HasPrefix(got, "(a name of ") {
		t.Errorf("Subject() = %q", got)
	}
}
