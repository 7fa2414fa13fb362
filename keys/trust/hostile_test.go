package trust

import (
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"math/big"
	"testing"

	"github.com/certbound/certbound/keys/keystest"
)

// loop makes authorities that have all signed each other, n of them.
func loop(t *testing.T, n int) (cas []*keystest.CA, certs []*x509.Certificate) {
	for i := range n {
		cas = append(cas, keystest.NewCA(t, fmt.Sprintf("loop %d", i)))
	}
	for _, signer := range cas {
		for _, subject := range cas {
			if signer != subject {
				certs = append(certs, signer.Intermediate(t, "", keystest.RawSubject(subject.Cert.RawSubject), keystest.WithKey(subject.Key)).Cert)
			}
		}
	}
	return cas, certs
}

func TestStrangersLoopsDoNotReachPathBuilding(t *testing.T) {
	root := keystest.NewCA(t, "root")
	bundle := bundleOf(t, Spec{Anchors: anchors(root)})
	cas, certs := loop(t, 3) // 6 certificates, every way a loop
	if found := bundle.connected(certs); len(found) != 0 {
		t.Errorf("%d certificates of a stranger would be used for path building", len(found))
	}
	leaf := client(t, cas[0]).Cert
	if err := bundle.Verify(leaf, certs, now); err == nil {
		t.Error("accepted")
	}
}

// One authority under many names' variants is what makes path building explode:
// crypto/x509 tells loops by subject, key and SAN.
func TestStrangersVariantsDoNotReachPathBuilding(t *testing.T) {
	root := keystest.NewCA(t, "root")
	bundle := bundleOf(t, Spec{Anchors: anchors(root)})
	stranger := keystest.NewCA(t, "stranger")
	var certs []*x509.Certificate
	for i := range maxPresented {
		certs = append(certs, stranger.Intermediate(t, "stranger", keystest.WithKey(stranger.Key), keystest.DNS(fmt.Sprintf("v%d.test", i))).Cert)
	}
	if found := bundle.connected(certs); len(found) != 0 {
		t.Errorf("%d certificates of a stranger would be used for path building", len(found))
	}
	wantError(t, bundle.Verify(client(t, stranger).Cert, certs, now), ErrUntrusted,
		"bundle partners@3: x509: certificate signed by unknown authority")
}

func TestCrossSignedLoopBelowTheAnchor(t *testing.T) {
	root := keystest.NewCA(t, "root")
	cas, certs := loop(t, 3)
	entry := root.Intermediate(t, "", keystest.RawSubject(cas[2].Cert.RawSubject), keystest.WithKey(cas[2].Key))
	presented := append(certs, entry.Cert)
	bundle := bundleOf(t, Spec{Anchors: anchors(root)})
	if found := bundle.connected(presented); len(found) != len(presented) {
		t.Errorf("%d of %d certificates are connected", len(found), len(presented))
	}
	wantError(t, bundle.Verify(client(t, cas[0]).Cert, presented, now), nil, "")
	wantError(t, bundle.Verify(client(t, keystest.NewCA(t, "loop 0")).Cert, presented, now), ErrUntrusted,
		"CN=client names CN=loop 0 as its issuer, but was not signed with that authority's key")
}

// A certificate of 64 KiB has room for a key that takes seconds to use.
func TestOversizeKeyIsNotUsed(t *testing.T) {
	root := keystest.NewCA(t, "root")
	bundle := bundleOf(t, Spec{Anchors: anchors(root)})
	inter := root.Intermediate(t, "inter").Cert
	if found := bundle.connected([]*x509.Certificate{inter}); len(found) != 1 {
		t.Fatal("an authority below the anchor is not connected")
	}
	slow := *inter // parsed as if it had such a key; making one takes minutes
	slow.PublicKey = &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), maxRSABits), E: 65537}
	if found := bundle.connected([]*x509.Certificate{&slow}); len(found) != 0 {
		t.Error("an oversize key is used for path building")
	}
	if err := fitAuthority(&slow); err == nil || err.Error() != "its RSA key has more than 8192 bits" {
		t.Error(err)
	}
}

func FuzzDecodePEM(f *testing.F) {
	good := string(keystest.NewCA(f, "root").CertPEM())
	f.Add([]byte(good))
	f.Add([]byte("# comment\r\n\r\n" + good + good))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n" + good))
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\n"))
	f.Add([]byte(good[:len(good)-5]))
	f.Fuzz(func(t *testing.T, data []byte) {
		certs, err := decodePEM(data)
		if err != nil {
			if certs != nil {
				t.Fatal("certificates and an error")
			}
			return
		}
		// What was read and nothing else must come out again.
		again, err := decodePEM(pemOf(certs...))
		if err != nil || len(again) != len(certs) {
			t.Fatalf("%d certificates, then %d: %v", len(certs), len(again), err)
		}
	})
}

func FuzzConstraintsSupported(f *testing.F) {
	f.Add([]byte{0x30, 0x08, 0xa0, 0x06, 0x30, 0x04, 0xa4, 0x02, 0x30, 0x00})
	f.Add([]byte{0x30, 0x09, 0xa0, 0x07, 0x30, 0x05, 0x82, 0x03, 'a', '.', 'b'})
	f.Fuzz(func(t *testing.T, der []byte) { constraintsSupported(der) })
}
