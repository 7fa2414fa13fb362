package admin_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/certbound/certbound/authz/admin"
	"github.com/certbound/certbound/authz/audit"
)

// TestCheckpoints: signed, stored and recorded in one; only admin:security may ask.
func TestCheckpoints(t *testing.T) {
	w := newWorld(t)
	root := w.as("root")
	w.wantProblem(t, w.as("operator").post("/admin/v1/audit-checkpoints", ""), 403, "scope_insufficient")
	w.wantProblem(t, root.post("/admin/v1/audit-checkpoints", `{"reason":"x"}`), 400, "request_malformed")
	var made []admin.CheckpointView
	for range 3 {
		a := root.post("/admin/v1/audit-checkpoints", "")
		var one admin.CheckpointView
		if err := json.Unmarshal([]byte(a.Body), &one); err != nil || a.Status != http.StatusOK {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		made = append(made, one)
	}
	events := w.Events(audit.CheckpointSigned)
	if len(events) != 3 || events[0].Actor != "root" {
		t.Errorf("events %+v", events)
	}
	kept, err := audit.ParseCheckpoint(made[2].Checkpoint, w.CheckpointRing.PublicJWKS())
	if err != nil {
		t.Fatal(err)
	}
	// Each covers the record of the one before it.
	if len(kept.Heads) != 1 || kept.Heads[0].Seq != events[1].Seq || made[2].KeyID != w.CheckpointRing.KeyID() {
		t.Errorf("%+v of %+v", kept, made[2])
	}
	report, err := audit.Verify(t.Context(), w.Store, nil, kept)
	if err != nil || len(report.Faults) > 0 {
		t.Errorf("%+v %v", report, err)
	}

	page := root.get("/admin/v1/audit-checkpoints?limit=2")
	var list struct{ Checkpoints []admin.CheckpointView }
	if err := json.Unmarshal([]byte(page.Body), &list); err != nil || len(list.Checkpoints) != 2 || list.Checkpoints[0] != made[2] {
		t.Errorf("%s", page.Body)
	}
	if want := fmt.Sprintf(`</admin/v1/audit-checkpoints?before=%d&limit=2>; rel="next"`, made[1].ID); page.Header.Get("Link") != want {
		t.Errorf("link %s, want %s", page.Header.Get("Link"), want)
	}
	w.wantProblem(t, root.get("/admin/v1/audit-checkpoints?before=x"), 422, "input_invalid")
	if a := root.do(http.MethodDelete, "/admin/v1/audit-checkpoints", ""); a.Status != 405 || a.Header.Get("Allow") != "GET, POST" {
		t.Errorf("%d %v", a.Status, a.Header)
	}
}

// TestCheckpointsFailClosed: what cannot be stored is not handed out.
func TestCheckpointsFailClosed(t *testing.T) {
	w := newWorld(t)
	root := w.as("root")
	w.Broken.Break("Update")
	w.wantProblem(t, root.post("/admin/v1/audit-checkpoints", ""), 503, "storage_unavailable")
}
