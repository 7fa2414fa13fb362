package trust

import (
	"crypto/x509"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/certbound/certbound/keys/keystest"
)

// What is remembered must end with whatever it relied on.
func TestRememberedPathEnds(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	soon, later := now.Add(time.Hour), now.Add(48*time.Hour)
	root := keystest.NewCA(t, "root", keystest.Validity(now.Add(-time.Hour), later))
	issuing := root.Intermediate(t, "issuing", keystest.Validity(now.Add(-time.Minute), soon))
	leaf := issuing.Client(t, keystest.Validity(now.Add(-time.Hour), later)).Cert
	sent := []*x509.Certificate{issuing.Cert}
	bundle, err := New(Spec{Name: "partners", Version: 1, Anchors: root.CertPEM()}, now)
	if err != nil {
		t.Fatal(err)
	}
	verify := func(at time.Time) error { return bundle.Verify(leaf, sent, at) }
	for range 2 { // found, then remembered
		if err := verify(now); err != nil {
			t.Fatal(err)
		}
	}
	if err := verify(soon); err != nil {
		t.Errorf("in the last second of the issuer: %v", err)
	}
	if err := verify(soon.Add(time.Second)); !errors.Is(err, ErrExpiredIssuer) {
		t.Errorf("after the issuer's end: %v, want ErrExpiredIssuer", err)
	}
	if err := verify(now.Add(-2 * time.Minute)); !errors.Is(err, ErrExpiredIssuer) {
		t.Errorf("before the issuer's beginning, with a clock that was set back: %v, want ErrExpiredIssuer", err)
	}
	if err := verify(now.Add(-2 * time.Hour)); !errors.Is(err, ErrUntrusted) {
		t.Errorf("before the leaf's beginning: %v, want ErrUntrusted", err)
	}
	if err := bundle.Verify(leaf, nil, now); !errors.Is(err, ErrChainIncomplete) && !errors.Is(err, ErrUntrusted) {
		t.Errorf("without the issuer it was accepted with: %v, want a refusal", err)
	}
	other, err := New(Spec{Name: "partners", Version: 2, Anchors: keystest.NewCA(t, "root").CertPEM()}, now)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Verify(leaf, sent, now); err == nil {
		t.Error("a bundle with another anchor remembers what it never saw")
	}
}

func TestRememberedPathsAreBounded(t *testing.T) {
	v := newVerdicts()
	now := time.Now()
	chain := []*x509.Certificate{{NotBefore: now, NotAfter: now}}
	for i := range maxVerdicts + 100 {
		v.accept(hashOf(&x509.Certificate{Raw: fmt.Append(nil, i)}), hashOf(), chain)
	}
	if len(v.held) != maxVerdicts {
		t.Errorf("%d are remembered, want %d", len(v.held), maxVerdicts)
	}
	last := hashOf(&x509.Certificate{Raw: fmt.Append(nil, maxVerdicts+99)})
	for i := range 100 { // one client, many chains: one entry
		v.accept(last, hashOf(&x509.Certificate{Raw: fmt.Append(nil, i)}), chain)
	}
	if len(v.held) != maxVerdicts || !v.accepted(last, hashOf(&x509.Certificate{Raw: fmt.Append(nil, 99)}), now) {
		t.Error("a client that varies what it sends pushed another out, or lost its own")
	}
}

func BenchmarkVerify(b *testing.B) {
	now := time.Now()
	root := keystest.NewCA(b, "root")
	leaf := root.Client(b).Cert
	bundle, err := New(Spec{Name: "partners", Version: 1, Anchors: root.CertPEM()}, now)
	if err != nil {
		b.Fatal(err)
	}
	for _, remembered := range []bool{false, true} {
		b.Run(fmt.Sprintf("remembered=%t", remembered), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !remembered {
					bundle.verdicts = newVerdicts()
				}
				if err := bundle.Verify(leaf, nil, now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
