package admin_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/authz/admin"
	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/keys"
	"github.com/certbound/certbound/storage"
)

type keyList struct{ Keys []*admin.KeyView }

// keyOf returns the one key of a purpose and status.
func (l keyList) keyOf(t *testing.T, purpose, status string) *admin.KeyView {
	t.Helper()
	var found *admin.KeyView
	for _, k := range l.Keys {
		if k.Purpose == purpose && k.Status == status {
			if found != nil {
				t.Fatalf("two %s keys are %s", purpose, status)
			}
			found = k
		}
	}
	if found == nil {
		t.Fatalf("no %s key is %s", purpose, status)
	}
	return found
}

func (w *world) tend(t *testing.T) {
	t.Helper()
	if err := w.keeper.Tend(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestListKeys: the public halves and the lives, and nothing of what is sealed.
func TestListKeys(t *testing.T) {
	w := newWorld(t)
	w.tend(t)
	a := w.as("operator").get("/admin/v1/keys")
	list := decode[keyList](t, a)
	if a.Status != 200 || len(list.Keys) != 6 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	active, next := list.keyOf(t, "access_token", "active"), list.keyOf(t, "access_token", "next")
	if active.KID != w.Ring.KeyID() || active.Algorithm != "ES256" || active.ActivatedAt == nil || active.ReadyAt != nil {
		t.Errorf("active %+v", active)
	}
	if next.ReadyAt == nil || !next.ReadyAt.Equal(w.Clock().Add(5*time.Minute+keys.Margin)) || next.DueAt != nil || next.ActivatedAt != nil {
		t.Errorf("next %+v", next)
	}
	for _, secret := range []string{`"sealed`, `"kek`, `"d"`, "PRIVATE"} {
		if strings.Contains(strings.ToLower(a.Body), strings.ToLower(secret)) {
			t.Errorf("the list holds %s", secret)
		}
	}
	w.wantProblem(t, w.as("operator").get("/admin/v1/keys?x=1"), 422, "input_invalid")
}

func TestRotateKey(t *testing.T) {
	w := newWorld(t)
	w.tend(t)
	root := w.as("root")
	first := w.Ring.KeyID()
	a := root.post("/admin/v1/keys/rotate", "")
	early := decode[admin.KeyRotation](t, a)
	if a.Status != 200 || early.Rotated || early.Active.KID != first || early.Next.DueAt == nil || !early.Next.DueAt.Equal(*early.Next.ReadyAt) {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	if asked := w.Events(audit.KeyRotationAsked); len(asked) != 1 || asked[0].Actor != "root" {
		t.Errorf("events %+v", asked)
	}
	w.Advance(5*time.Minute + keys.Margin)
	w.tend(t)
	if w.Ring.KeyID() != early.Next.KID {
		t.Fatal("the key that was asked for does not sign")
	}
	w.Advance(time.Hour)
	root = w.as("root")
	a = root.post("/admin/v1/keys/rotate", `{"purpose":"revocation_feed","alg":"ES256","reason":"yearly"}`)
	now := decode[admin.KeyRotation](t, a)
	if a.Status != 200 || !now.Rotated || now.Active.KID != w.FeedRing.KeyID() || now.Next != nil {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	rotated := w.Events(audit.KeyRotated)
	if len(rotated) != 2 || rotated[0].Actor != "root" || rotated[1].Actor != "" ||
		!strings.Contains(rotated[0].Detail, `"kid":"`+now.Active.KID) || !strings.Contains(rotated[0].Detail, `"reason":"yearly"`) {
		t.Errorf("events %+v", rotated)
	}
	for _, c := range []struct{ body, reason string }{
		{`{"purpose":"cookies"}`, "input_invalid"}, {`{"alg":"HS256"}`, "input_invalid"}, {`{"alg":"ES512"}`, "input_invalid"},
		{`{"alg":"PS256"}`, "input_invalid"}, // nobody asks for it
		{`{"kid":"x"}`, "input_invalid"}, {`{"alg":1}`, "input_invalid"},
	} {
		w.wantProblem(t, root.post("/admin/v1/keys/rotate", c.body), 422, c.reason)
	}
	w.wantProblem(t, root.post("/admin/v1/keys/rotate", `[]`), 400, "request_malformed")
	w.wantProblem(t, w.as("operator").post("/admin/v1/keys/rotate", ""), 403, "scope_insufficient")
}

// TestRevokeKey: key, feed entry and event come together, once, and the token that
// asked for it is dead with the others.
func TestRevokeKey(t *testing.T) {
	w := newWorld(t)
	w.tend(t)
	kid, next := w.Ring.KeyID(), ""
	list := decode[keyList](t, w.as("root").get("/admin/v1/keys"))
	next = list.keyOf(t, "access_token", "next").KID
	path := "/admin/v1/keys/" + kid + "/revoke"
	root := w.as("root")
	w.wantProblem(t, w.as("operator").post(path, `{"reason":"stolen"}`), 403, "scope_insufficient")
	w.wantProblem(t, root.post(path, ""), 422, "input_invalid")
	w.wantProblem(t, root.post("/admin/v1/keys/nobody/revoke", `{"reason":"stolen"}`), 404, "record_unknown")
	a := root.post(path, `{"reason":"stolen"}`)
	done := decode[admin.KeyRevocation](t, a)
	if a.Status != 200 || done.Key.Status != "revoked" || done.Key.RevokedAt == nil || done.ReplacedBy != next || w.Ring.KeyID() != next {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	if strings.Contains(string(w.Ring.PublicJWKS()), kid) {
		t.Error("a revoked key is published")
	}
	w.wantProblem(t, root.get("/admin/v1/keys"), 401, "key_unknown")
	root = w.as("root")
	if a := root.post(path, `{"reason":"again"}`); a.Status != 200 {
		t.Errorf("again: %d %s", a.Status, a.Body)
	}
	feed := w.feed(t)
	if len(feed) != 1 || feed[0].Kind != storage.FeedKey || feed[0].Subject != kid || feed[0].Action != storage.FeedDeny ||
		feed[0].ExpiresAt.Before(w.Clock().Add(25*time.Hour)) {
		t.Errorf("feed %+v", feed)
	}
	events := w.Events(audit.KeyRevoked)
	if len(events) != 1 || events[0].Actor != "root" || !strings.Contains(events[0].Detail, kid) || !strings.Contains(events[0].Detail, `"reason":"stolen"`) {
		t.Errorf("events %+v", events)
	}
	if w.notified.Load() != 1 {
		t.Errorf("notified %d times", w.notified.Load())
	}
}

// TestRevokeKeyIsOne: when the record cannot be written, nothing has happened.
func TestRevokeKeyIsOne(t *testing.T) {
	w := newWorld(t)
	w.tend(t)
	kid := w.Ring.KeyID()
	root := w.as("root")
	// Disabled while the request runs: it is the last thing the transaction asks.
	w.Update(func(ctx context.Context, tx storage.Tx) error {
		client, err := tx.Client(ctx, "root")
		if err != nil {
			return err
		}
		client.Disabled = true
		return tx.UpdateClient(ctx, client)
	})
	if a := root.post("/admin/v1/keys/"+kid+"/revoke", `{"reason":"stolen"}`); a.Status != 401 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if w.Ring.KeyID() != kid || len(w.feed(t)) != 0 || len(w.Events(audit.KeyRevoked)) != 0 {
		t.Error("something has happened")
	}
}
