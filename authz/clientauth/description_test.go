package clientauth

import (
	"crypto/x509"
	"encoding/binary"
	"testing"

	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/keys/peercert"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/storage"
)

func TestDescriptionsAreThoseOfTheCertificateAndBounded(t *testing.T) {
	d := new(descriptions)
	peers := []*peercert.Peer{}
	for _, cn := range []string{"one", "two"} {
		cert := keystest.SelfSigned(t, keystest.CommonName(cn)).Cert
		peers = append(peers, &peercert.Peer{Leaf: cert, Intermediates: []*x509.Certificate{}, Thumbprint: thumbprint.Of(cert)})
	}
	first, second := storage.Matcher{Kind: storage.SANDNS, Value: "a"}, storage.Matcher{Kind: storage.SANDNS, Value: "b"}
	for range 2 { // rendered, then kept
		for i, cn := range []string{"CN=one", "CN=two"} {
			got := d.of(peers[i])
			if got.Subject != cn || got.Issuer != cn || got.Thumbprint != peers[i].Thumbprint.String() || got.Serial == "" || got.NotAfter.IsZero() {
				t.Errorf("%s: %+v", cn, got)
			}
			if d.matched(peers[i].Thumbprint, first) {
				t.Errorf("%s matches what another was kept for", cn)
			}
			d.keep(peers[i].Thumbprint, got, second)
			if !d.matched(peers[i].Thumbprint, second) || d.matched(peers[i].Thumbprint, storage.Matcher{}) || d.matched(thumbprint.Thumbprint{1}, second) {
				t.Errorf("%s is not known for what it satisfied, or for more", cn)
			}
		}
	}
	for i := range maxDescriptions + 10 {
		var other thumbprint.Thumbprint
		binary.BigEndian.PutUint64(other[:], uint64(i))
		d.keep(other, decision.Certificate{}, second)
	}
	if len(d.held) != maxDescriptions {
		t.Errorf("%d are held, want %d", len(d.held), maxDescriptions)
	}
}
