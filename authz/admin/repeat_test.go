package admin_test

import (
	"net/http"
	"testing"

	"github.com/certbound/certbound/authz/admin"
	"github.com/certbound/certbound/authz/audit"
)

// TestKeyChangesOnce: rotations, revocations and checkpoints can be tried, and sent
// again without happening again.
func TestKeyChangesOnce(t *testing.T) {
	w := newWorld(t)
	w.tend(t)
	root := w.as("root")
	feed := w.FeedRing.KeyID()
	for _, c := range []struct {
		path, body string
		kind       audit.Kind
	}{
		{"/admin/v1/keys/rotate", `{"purpose":"revocation_feed"}`, audit.KeyRotationAsked},
		{"/admin/v1/keys/rotate", "", audit.KeyRotationAsked},
		{"/admin/v1/audit-checkpoints", "", audit.CheckpointSigned},
		{"/admin/v1/keys/" + feed + "/revoke", `{"reason":"test"}`, audit.KeyRevoked},
	} {
		before := len(w.Events(c.kind))
		dry := root.do(http.MethodPost, c.path+"?dry_run=true", c.body)
		if preview := decode[admin.Preview](t, dry); dry.Status != 200 || !preview.DryRun || preview.After == nil || len(w.Events(c.kind)) != before {
			t.Errorf("%s: %d %s", c.path, dry.Status, dry.Body)
		}
		if w.FeedRing.KeyID() != feed {
			t.Errorf("%s: a dry run has changed a key", c.path)
		}
		first := root.do(http.MethodPost, c.path, c.body, "Idempotency-Key", c.path+c.body)
		again := root.do(http.MethodPost, c.path, c.body, "Idempotency-Key", c.path+c.body)
		if first.Status != 200 || again.Status != 200 || first.Body != again.Body || again.Header.Get("Idempotency-Replayed") != "true" {
			t.Errorf("%s: %d %s\n%d %s", c.path, first.Status, first.Body, again.Status, again.Body)
		}
		if got := len(w.Events(c.kind)); got != before+1 {
			t.Errorf("%s: %d events, want %d", c.path, got, before+1)
		}
		w.wantProblem(t, root.do(http.MethodPost, c.path, `{"reason":"other"}`, "Idempotency-Key", c.path+c.body), status(c.path), problem(c.path))
	}
	stored, err := w.Store.AuditCheckpoints(t.Context(), 0, 10)
	if err != nil || len(stored) != 1 {
		t.Errorf("%d checkpoints: %v", len(stored), err)
	}
}

// A checkpoint takes no body, which is found first.
func status(path string) int {
	if path == "/admin/v1/audit-checkpoints" {
		return 400
	}
	return 422
}

func problem(path string) string {
	if path == "/admin/v1/audit-checkpoints" {
		return "request_malformed"
	}
	return "idempotency_key_reused"
}
