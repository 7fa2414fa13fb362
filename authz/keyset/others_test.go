package keyset

import (
	"context"
	"strings"
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

const malloryURI = "https://mallory.example/jwks"

// squatted is a world in which mallory has published a certificate of edge's before
// edge's own set was read.
func squatted(t *testing.T) (*world, keystest.Pair) {
	t.Helper()
	w := newWorld(t)
	next := keystest.SelfSigned(t)
	w.partners.publish(edgeURI, document(t))
	w.add("mallory", malloryURI)
	w.partners.publish(malloryURI, document(t, next))
	w.turn()
	w.has("mallory", next)
	w.partners.publish(edgeURI, document(t, next))
	w.later()
	return w, next
}

// TestWhoShowsItHasIt: mallory watches edge's key set and publishes edge's next
// certificate first. Edge shows it, which mallory cannot, and has it from then on.
func TestWhoShowsItHasIt(t *testing.T) {
	w, next := squatted(t)
	w.has("edge")
	if !strings.Contains(w.state("edge").Problem, "registered for another client") {
		t.Errorf("edge's status says %q", w.state("edge").Problem)
	}
	w.refresher.Wish("edge", thumbprint.Of(next.Cert))
	w.Advance(DefaultFloor)
	w.turn() // edge's
	w.has("edge", next)
	w.has("mallory")
	w.later()
	w.has("edge", next)
	w.has("mallory")
	if !strings.Contains(w.state("mallory").Problem, "registered for another client") {
		t.Errorf("mallory's status says %q", w.state("mallory").Problem)
	}
	if n := len(w.refresher.shown); n != 0 {
		t.Errorf("%d certificates are still remembered", n)
	}
	if w.told(next) {
		t.Error("edge's tokens were ended by what mallory lost")
	}
}

// TestWhoUsesItKeepsIt: a certificate that its publisher has got tokens with is not
// taken by another publisher, whatever is shown.
func TestWhoUsesItKeepsIt(t *testing.T) {
	w, next := squatted(t)
	w.Update(func(ctx context.Context, tx storage.Tx) error {
		used := Record("mallory", next.Cert, w.Clock())
		used.LastSeen = w.Clock()
		return tx.SeeCertificates(ctx, []storage.Certificate{used})
	})
	w.refresher.Wish("edge", thumbprint.Of(next.Cert))
	w.Advance(DefaultFloor)
	w.turn()
	w.has("edge")
	w.has("mallory", next)
}

// TestRegistrationTakesWhatIsPublished: an administrator registers a certificate that
// somebody publishes, in use or not.
func TestRegistrationTakesWhatIsPublished(t *testing.T) {
	w, next := squatted(t)
	w.Update(func(ctx context.Context, tx storage.Tx) error {
		if err := tx.CreateClient(ctx, storage.Client{ID: "owner", PartnerID: "acme", Method: storage.SelfSignedTLSClientAuth, CreatedAt: w.Clock()}); err != nil {
			return err
		}
		return Add(ctx, tx, Record("owner", next.Cert, w.Clock()), w.Clock())
	})
	w.has("owner", next)
	w.has("mallory")
	x5t := thumbprint.Of(next.Cert).String()
	if !w.denied(storage.FeedBinding, "mallory "+x5t) || w.denied(storage.FeedBinding, "owner "+x5t) {
		t.Error("resource servers were not told of mallory's loss, or of the owner's")
	}
	w.turn() // mallory's status is brought up to date at once
	w.has("owner", next)
	if !strings.Contains(w.state("mallory").Problem, "registered for another client") {
		t.Errorf("mallory's status says %q", w.state("mallory").Problem)
	}
}
