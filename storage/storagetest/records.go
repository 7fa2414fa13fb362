package storagetest

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"
	"time"

	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// NewStore opens an empty database for one test, which also closes it.
type NewStore func(t testing.TB) storage.Store

// epoch is the time of the records. It has a fraction and a zone, neither of
// which is stored.
var epoch = time.Date(2026, 11, 22, 13, 14, 15, 987654321, time.FixedZone("east", 3600))

// stored is what epoch plus some seconds reads back as.
func stored(after int) time.Time {
	return time.Date(2026, 11, 22, 12, 14, 15+after, 0, time.UTC)
}

func at(after int) time.Time { return epoch.Add(time.Duration(after) * time.Second) }

func partner(id string) storage.Partner {
	return storage.Partner{ID: id, Name: "The " + id, CreatedAt: epoch, UpdatedAt: epoch}
}

// pkiClient is a client of partner acme; it needs the bundle "partners".
func pkiClient(id, canonical string) storage.Client {
	return storage.Client{
		ID: id, PartnerID: "acme", Name: "Client " + id, Method: storage.TLSClientAuth,
		Matcher:     storage.Matcher{Kind: storage.SANURI, Value: "As Registered " + canonical, Canonical: canonical},
		TrustBundle: "partners", CreatedAt: epoch, UpdatedAt: epoch,
	}
}

func selfSignedClient(id string) storage.Client {
	return storage.Client{
		ID: id, PartnerID: "acme", Name: "Client " + id, Method: storage.SelfSignedTLSClientAuth,
		CreatedAt: epoch, UpdatedAt: epoch,
	}
}

// certificate is not a real one: a store does not parse.
func certificate(clientID, content string, created int) storage.Certificate {
	return storage.Certificate{
		Thumbprint: thumbprint.Thumbprint(sha256.Sum256([]byte(content))), ClientID: clientID, DER: []byte(content),
		NotBefore: at(created - 60), NotAfter: at(created + 3600), CreatedAt: at(created),
	}
}

func bundle(name, anchors string) storage.TrustBundle {
	sum := sha256.Sum256([]byte(anchors))
	return storage.TrustBundle{
		Name: name, ContentHash: hex.EncodeToString(sum[:]), AnchorsPEM: anchors, IntermediatesPEM: "helpers",
		IssuersPEM: "issuers", MaxDepth: 3, AllowPublicRoots: true, CreatedBy: "root", CreatedAt: epoch,
	}
}

func api(id string, scopes ...string) storage.API {
	return storage.API{
		ID: id, Audience: "https://" + id + ".example", Scopes: scopes,
		TokenLifetime: 2 * time.Minute, CreatedAt: epoch, UpdatedAt: epoch,
	}
}

func activeKey(kid string, created int) storage.SigningKey {
	return storage.SigningKey{
		KID: kid, Purpose: "access_token", Algorithm: "ES256", Status: "active", PublicJWK: `{"kty":"EC"}`,
		KEKID: "kek-1", Sealed: []byte{0, 1, 2, 255}, CreatedAt: at(created), ActivatedAt: at(created),
	}
}

// do runs one Update that must succeed.
func do(t testing.TB, s storage.Store, fn func(storage.Tx) error) {
	t.Helper()
	if err := s.Update(t.Context(), fn); err != nil {
		t.Fatalf("Update: %v", err)
	}
}

// seed makes the records that others refer to: partner acme, bundle partners,
// APIs accounts and payments.
func seed(t testing.TB, s storage.Store) {
	t.Helper()
	ctx := t.Context()
	do(t, s, func(tx storage.Tx) error {
		if err := tx.CreatePartner(ctx, partner("acme")); err != nil {
			return err
		}
		if _, err := tx.PutTrustBundle(ctx, bundle("partners", "anchors 1")); err != nil {
			return err
		}
		if err := tx.CreateAPI(ctx, api("accounts", "accounts:read", "accounts:write")); err != nil {
			return err
		}
		return tx.CreateAPI(ctx, api("payments", "payments:make"))
	})
}

// samePrint compares what Equal does not: a zero thumbprint equals none, but one
// that was stored as absent must come back as it was.
var samePrint = cmp.Comparer(func(a, b thumbprint.Thumbprint) bool { return a == b })

// same fails the test when got is not want; nil and empty lists are the same.
func same(t testing.TB, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), samePrint); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}
