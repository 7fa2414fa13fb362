package authz_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/storage"
)

// recorded returns the one audit event of a request.
func (w *world) recorded(t *testing.T, requestID string) storage.AuditEvent {
	t.Helper()
	events, err := w.store.AuditEvents(t.Context(), storage.AuditQuery{RequestID: requestID, Limit: 10})
	if err != nil || len(events) != 1 {
		t.Fatalf("%d events of request %s, %v", len(events), requestID, err)
	}
	return events[0]
}

// TestTokenHasItsRecord: when the answer is here, the record is on disk.
func TestTokenHasItsRecord(t *testing.T) {
	w := newWorld(t)
	a := w.token(&w.acme, "acme-billing")
	e := w.recorded(t, a.header.Get("X-Request-Id"))
	claims := segment(t, a.body.AccessToken, 1)
	if e.Kind != string(audit.TokenIssued) || e.Reason != "" || e.ClientID != "acme-billing" || e.PartnerID != "acme" ||
		e.TokenID != claims["jti"] || e.Thumbprint != thumbprint.Of(w.acme.Cert) {
		t.Errorf("event %+v", e)
	}
	var detail map[string]any
	if err := json.Unmarshal([]byte(e.Detail), &detail); err != nil || detail["aud"] != accounts || detail["auth_method"] != "tls_client_auth" {
		t.Errorf("detail %s, %v", e.Detail, err)
	}
}

// TestRefusalIsRecorded: with the reason the caller does not see.
func TestRefusalIsRecorded(t *testing.T) {
	w := newWorld(t)
	a := w.token(&w.acme, "acme-both")
	w.stopRun() // which stores what is queued
	e := w.recorded(t, a.body.RequestID)
	if e.Kind != string(audit.TokenRefused) || e.Reason != string(decision.SubjectMismatch) || e.ClientID != "acme-both" || e.TokenID != "" {
		t.Errorf("event %+v", e)
	}
	report, err := audit.Verify(t.Context(), w.store, nil, nil)
	const keysPublished = 3 // at the start, the next of each purpose
	if err != nil || len(report.Faults) > 0 || report.Events != 1+keysPublished {
		t.Errorf("%+v, %v", report, err)
	}
}

// TestNoTokenWithoutItsRecord: what cannot be recorded does not happen.
func TestNoTokenWithoutItsRecord(t *testing.T) {
	w := newWorld(t)
	w.stopRun()
	a := w.token(&w.acme, "acme-billing")
	if a.status != http.StatusServiceUnavailable || a.body.Reason != decision.AuditUnavailable || a.body.AccessToken != "" || a.header.Get("Retry-After") == "" {
		t.Errorf("%d %s", a.status, a.text)
	}
	if logged := w.log.decision(t, a.body.RequestID); logged["outcome"] != "refuse" || logged["reason"] != "audit_unavailable" {
		t.Errorf("logged %v", logged)
	}
}
