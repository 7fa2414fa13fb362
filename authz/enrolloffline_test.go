package authz_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/keys/ca"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/storage"
)

// interrupted is a database in which something happens right after an issuer was
// read.
type interrupted struct {
	storage.Store
	then func()
}

func (i *interrupted) EnrollmentIssuer(ctx context.Context, bundle string) (storage.EnrollmentIssuer, error) {
	found, err := i.Store.EnrollmentIssuer(ctx, bundle)
	if then := i.then; then != nil {
		i.then = nil
		then()
	}
	return found, err
}

// TestCAOffline: a CA that was removed signs nothing, not even what was being signed;
// what it has signed stays good, and its links wait for another one.
func TestCAOffline(t *testing.T) {
	store := &interrupted{}
	s := newSmall(t, func(in storage.Store) storage.Store {
		store.Store = in
		return store
	})
	remove := func() {
		s.update(t, func(tx storage.Tx) error { return tx.RemoveEnrollmentIssuer(t.Context(), "small") })
	}
	unavailable := func(name string, e enrolled) {
		t.Helper()
		if e.status != http.StatusServiceUnavailable || e.body.Reason != decision.SigningUnavailable {
			t.Errorf("%s: %d %s", name, e.status, e.text)
		}
	}
	first, _ := s.link(t, "small-app")
	key, csr := newRequest(t, ca.ClientProfile{})
	have := s.enroll(t, nil, key, map[string]any{"secret": first, "csr": csr})
	if have.status != http.StatusOK {
		t.Fatal(have.text)
	}
	second, _ := s.link(t, "small-app")
	_, other := newRequest(t, ca.ClientProfile{})
	store.then = remove
	unavailable("removed while it signs", s.enroll(t, nil, nil, map[string]any{"secret": second, "csr": other}))
	unavailable("enrolment", s.enroll(t, nil, nil, map[string]any{"secret": second, "csr": other}))
	unavailable("renewal", s.enroll(t, &have.pair, nil, map[string]any{"csr": other}))
	if a := s.token(&have.pair, "small-app"); a.status != http.StatusOK {
		t.Errorf("what it has signed: %s", a.text)
	}
	events, err := s.store.AuditEvents(t.Context(), storage.AuditQuery{Kind: string(audit.CertificateEnrolled), Limit: 10})
	if err != nil || len(events) != 1 {
		t.Errorf("%d certificates were enrolled, %v", len(events), err)
	}
	s.goOnline(t)
	if e := s.enroll(t, nil, nil, map[string]any{"secret": second, "csr": other}); e.status != http.StatusOK {
		t.Errorf("online again: %s", e.text)
	}
}
