package peercert_test

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/keys/peercert"
)

func TestCheckPeriodIncludesBothEnds(t *testing.T) {
	from := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	to := from.Add(time.Hour)
	peer := &peercert.Peer{Leaf: keystest.SelfSigned(t, keystest.Validity(from, to)).Cert}
	for _, tt := range []struct {
		name string
		now  time.Time
		want error
		text string
	}{
		{"before", from.Add(-time.Nanosecond), peercert.ErrNotYetValid,
			"peercert: certificate is not valid yet: it begins 2026-11-22T12:00:00Z, now is 2026-11-22T11:59:59Z"},
		{"first second", from, nil, ""},
		{"last second", to, nil, ""},
		{"end of the last second", to.Add(time.Second - time.Nanosecond), nil, ""},
		{"after", to.Add(time.Second), peercert.ErrExpired,
			"peercert: certificate has expired: it ended 2026-11-22T13:00:00Z, now is 2026-11-22T13:00:01Z"},
		{"in another zone", to.In(time.FixedZone("east", 7200)), nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := peer.Check(tt.now)
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if err != nil && err.Error() != tt.text {
				t.Errorf("got  %s\nwant %s", err, tt.text)
			}
		})
	}
}

// RFC 5280 §4.1.2.5: times after 2049 are encoded differently, and
// 99991231235959Z stands for "no end".
func TestCheckPeriodFarAway(t *testing.T) {
	from := time.Date(2049, 12, 31, 23, 59, 59, 0, time.UTC)
	never := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	peer := &peercert.Peer{Leaf: keystest.SelfSigned(t, keystest.Validity(from, never)).Cert}
	for now, want := range map[time.Time]error{
		from.Add(-time.Second): peercert.ErrNotYetValid,
		from.Add(time.Second):  nil,
		never:                  nil,
	} {
		if err := peer.Check(now); !errors.Is(err, want) {
			t.Errorf("at %s: %v", now, err)
		}
	}
}

func TestCheckNothing(t *testing.T) {
	var none *peercert.Peer
	for _, peer := range []*peercert.Peer{none, {}} {
		if err := peer.Check(time.Now()); !errors.Is(err, peercert.ErrMissing) {
			t.Errorf("got %v", err)
		}
	}
}

// A certificate is told to be out of date before it is told to be weak: the
// former is what its owner has to mend first.
func TestCheckOrder(t *testing.T) {
	peer := &peercert.Peer{Leaf: keystest.SelfSigned(t, keystest.RSA(1024), keystest.Expired()).Cert}
	if err := peer.Check(time.Now()); !errors.Is(err, peercert.ErrExpired) {
		t.Errorf("got %v", err)
	}
}

func TestCheckStrength(t *testing.T) {
	root := keystest.NewCA(t, "root")
	rsaRoot := keystest.NewCA(t, "rsa root", keystest.RSA(2048))
	for _, tt := range []struct {
		name string
		cert *x509.Certificate
		want string
	}{
		{"RSA 2048", root.Client(t, keystest.RSA(2048)).Cert, ""},
		{"P-256", root.Client(t).Cert, ""},
		{"P-384", root.Client(t, keystest.EC(elliptic.P384())).Cert, ""},
		{"P-521", root.Client(t, keystest.EC(elliptic.P521())).Cert, ""},
		{"Ed25519", keystest.SelfSigned(t, keystest.Ed25519()).Cert, ""},
		{"version 1", root.Client(t, keystest.Version1()).Cert, ""},
		{"RSA 1024", root.Client(t, keystest.RSA(1024)).Cert, "its RSA key has 1024 bits, at least 2048 are needed"},
		{"RSA 2047", &x509.Certificate{PublicKey: rsaOf(t, 2047)}, "its RSA key has 2047 bits, at least 2048 are needed"},
		{"P-224", root.Client(t, keystest.EC(elliptic.P224())).Cert, "its EC key is on P-224, which is not accepted"},
		{"SHA-1 with RSA", rsaRoot.Client(t, keystest.SHA1()).Cert, "it is signed with SHA1-RSA"},
		{"SHA-1 with EC", root.Client(t, keystest.SHA1()).Cert, "it is signed with ECDSA-SHA1"},
		{"MD5", rsaRoot.Client(t, keystest.MD5()).Cert, "it is signed with MD5-RSA"},
	} {
		t.Run(tt.name, func(t *testing.T) { wantWeak(t, peercert.CheckStrength(tt.cert), tt.want) })
	}
}

// rsaOf returns a public key with a modulus of exactly so many bits. It is no
// product of two primes; only its length matters here.
func rsaOf(t *testing.T, bits int) *rsa.PublicKey {
	t.Helper()
	key := keystest.SelfSigned(t, keystest.RSA(2048)).Cert.PublicKey.(*rsa.PublicKey)
	key.N.Rsh(key.N, uint(key.N.BitLen()-bits))
	return key
}

// Algorithms no library here can sign with, shown by the field.
func TestWeakSignatureFields(t *testing.T) {
	strong := keystest.SelfSigned(t).Cert
	for alg, want := range map[x509.SignatureAlgorithm]string{
		x509.UnknownSignatureAlgorithm: "it is signed with an algorithm that is not known here",
		x509.MD2WithRSA:                "it is signed with an algorithm that is not known here",
		x509.MD5WithRSA:                "it is signed with MD5-RSA",
		x509.DSAWithSHA1:               "it is signed with DSA-SHA1",
		x509.DSAWithSHA256:             "it is signed with DSA-SHA256",
		x509.SHA256WithRSAPSS:          "",
		x509.ECDSAWithSHA512:           "",
	} {
		cert := *strong
		cert.SignatureAlgorithm = alg
		wantWeak(t, peercert.CheckStrength(&cert), want)
	}
}

func TestCheckKeyOfOtherKinds(t *testing.T) {
	for want, key := range map[string]crypto.PublicKey{
		"its RSA key has 0 bits, at least 2048 are needed":                 &rsa.PublicKey{},
		"its EC key names no curve":                                        &ecdsa.PublicKey{},
		"its key is of a kind that is not accepted (*ecdh.PublicKey)":      &ecdh.PublicKey{},
		"its key is of a kind that is not accepted (<nil>)":                nil,
		"its key is of a kind that is not accepted (peercert_test.oddKey)": oddKey{},
	} {
		wantWeak(t, peercert.CheckKey(key), want)
	}
}

type oddKey struct{}

func wantWeak(t *testing.T, err error, detail string) {
	t.Helper()
	if detail == "" {
		if err != nil {
			t.Errorf("refused: %v", err)
		}
		return
	}
	want := "peercert: certificate is weak: " + detail
	if !errors.Is(err, peercert.ErrWeak) || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}
