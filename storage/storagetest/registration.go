package storagetest

import (
	"context"
	"errors"
	"testing"

	"github.com/certbound/certbound/storage"
)

// Whoever keeps records in memory relies on the version: a change that did not
// raise it would never be noticed.
func testRegistration(t *testing.T, s storage.Store) {
	ctx := t.Context()
	version := func() int64 {
		t.Helper()
		return must[int64](t)(s.RegistrationVersion(ctx))
	}
	last := version()
	seed(t, s)
	if version() <= last {
		t.Error("records were created, and the version is the same")
	}
	edge := certificate("edge", "edge", 0)
	for _, c := range []struct {
		what   string
		raises bool
		write  func(storage.Tx) error
	}{
		{"a partner", true, func(tx storage.Tx) error { return tx.CreatePartner(ctx, partner("version")) }},
		{"a partner's change", true, func(tx storage.Tx) error {
			p, err := tx.Partner(ctx, "version")
			p.Disabled = true
			return errors.Join(err, tx.UpdatePartner(ctx, p))
		}},
		{"a client", true, func(tx storage.Tx) error { return tx.CreateClient(ctx, selfSignedClient("edge")) }},
		{"a client's change", true, func(tx storage.Tx) error {
			c, err := tx.Client(ctx, "edge")
			c.Disabled = true
			return errors.Join(err, tx.UpdateClient(ctx, c))
		}},
		{"a generation", true, func(tx storage.Tx) error { _, err := tx.RaiseGeneration(ctx, "edge", at(1)); return err }},
		{"the generations of a partner", true, func(tx storage.Tx) error { return tx.RaiseGenerations(ctx, "acme", at(1)) }},
		{"a certificate", true, func(tx storage.Tx) error { return tx.AddCertificate(ctx, edge) }},
		{"a denial", true, func(tx storage.Tx) error {
			return tx.DenyCertificate(ctx, storage.CertificateDenial{Thumbprint: edge.Thumbprint, Reason: "lost", CreatedAt: at(1)})
		}},
		{"a denial's end", true, func(tx storage.Tx) error { return tx.LiftCertificate(ctx, edge.Thumbprint, at(2)) }},
		{"a certificate's retirement", true, func(tx storage.Tx) error {
			return tx.RetireCertificate(ctx, "edge", edge.Thumbprint, at(60))
		}},
		{"a certificate in use", false, func(tx storage.Tx) error {
			seen := edge
			seen.LastSeen = at(1)
			return tx.SeeCertificates(ctx, []storage.Certificate{seen})
		}},
		{"an enrolment", false, func(tx storage.Tx) error { return tx.CreateEnrollment(ctx, enrollment("e", "edge")) }},
		{"a certificate's end", true, func(tx storage.Tx) error { return tx.RemoveCertificate(ctx, "edge", edge.Thumbprint) }},
		{"a trust bundle", true, func(tx storage.Tx) error { _, err := tx.PutTrustBundle(ctx, bundle("version", "x")); return err }},
		{"an API", true, func(tx storage.Tx) error { return tx.CreateAPI(ctx, api("version", "version:read")) }},
		{"a key", true, func(tx storage.Tx) error { return tx.AddSigningKey(ctx, nextKey("kid", 1)) }},
		{"a key's change", true, func(tx storage.Tx) error { return tx.UpdateSigningKey(ctx, activeKey("kid", 1)) }},
		{"a key's end", true, func(tx storage.Tx) error { return tx.RemoveSigningKey(ctx, "kid") }},
		{"a feed entry", false, func(tx storage.Tx) error {
			_, err := tx.AppendFeed(ctx, []storage.FeedEntry{denyToken("t", 60)})
			return err
		}},
		{"an audit stream", false, func(tx storage.Tx) error { _, err := tx.AuditStreamFor(ctx, "one", at(1)); return err }},
		{"a trust bundle's end", true, func(tx storage.Tx) error { return tx.RetireTrustBundle(ctx, "version") }},
		{"an API's end", true, func(tx storage.Tx) error { return tx.DeleteAPI(ctx, "version", 1) }},
		{"an answer", false, func(tx storage.Tx) error { return tx.KeepIdempotentAnswer(ctx, idempotentAnswer("edge", "version", 1)) }},
		{"nothing", false, func(storage.Tx) error { return nil }},
	} {
		last = version()
		do(t, s, c.write)
		if raised := version() > last; raised != c.raises {
			t.Errorf("%s: the version went from %d to %d", c.what, last, version())
		}
	}

	last = version()
	failed := errors.New("no")
	err := s.Update(ctx, func(tx storage.Tx) error {
		if err := tx.CreatePartner(ctx, partner("undone")); err != nil {
			return err
		}
		return failed
	})
	if !errors.Is(err, failed) || version() != last {
		t.Errorf("after a rollback (%v) the version went from %d to %d", err, last, version())
	}
	var inside int64
	do(t, s, func(tx storage.Tx) (err error) {
		inside, err = tx.RegistrationVersion(context.WithoutCancel(ctx))
		return err
	})
	if inside != last {
		t.Errorf("a transaction reads version %d, want %d", inside, last)
	}
}
