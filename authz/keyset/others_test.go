package keyset

import (
	"testing"

	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
)

// TestOthersCertificates: a partner can publish whatever certificate he has seen, and
// take it back. That ends no tokens but his own, and brings none back to life.
func TestOthersCertificates(t *testing.T) {
	w := newWorld(t)
	const uri = "https://mallory.example/jwks"
	w.add("mallory", uri)
	stolen, theirs := keystest.SelfSigned(t), keystest.SelfSigned(t) // of edge, and of a PKI client: registered nowhere
	w.partners.publish(edgeURI, document(t, stolen))
	w.turn()
	w.partners.publish(edgeURI, document(t))
	w.partners.publish(uri, document(t, theirs))
	w.later()
	w.has("mallory", theirs)
	if !w.told(stolen) {
		t.Fatal("resource servers accept what edge took back")
	}
	w.partners.publish(uri, document(t, stolen))
	w.later()
	w.has("mallory", stolen)
	if !w.told(stolen) {
		t.Error("mallory brought edge's tokens back to life")
	}
	if x5t := thumbprint.Of(theirs.Cert).String(); w.denied(storage.FeedCertificate, x5t) || !w.denied(storage.FeedBinding, "mallory "+x5t) {
		t.Error("mallory ended the tokens of whoever has the certificate")
	}
}
