package admin_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/certbound/certbound/authz/admin"
	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/internal/authztest"
)

func pruningOf(t *testing.T, checkpoint, reason string) string {
	t.Helper()
	text, err := json.Marshal(admin.PruningBody{Checkpoint: checkpoint, Reason: reason})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestPrunings: a checkpoint of ours, tried, done once and recorded with who, from
// where and how many; then the trail begins behind it.
func TestPrunings(t *testing.T) {
	const path = "/admin/v1/audit-prunings"
	w := newWorld(t)
	root := w.as("root")
	first := decode[admin.CheckpointView](t, root.post("/admin/v1/audit-checkpoints", ""))
	covered := w.Events("")
	decode[admin.CheckpointView](t, root.post("/admin/v1/audit-checkpoints", ""))
	body := pruningOf(t, first.Checkpoint+"\n", "yearly")

	w.wantProblem(t, w.as("operator").post(path, body), 403, "scope_insufficient")
	for name, bad := range map[string]string{
		"no checkpoint": `{}`, "another word": `{"checkpoint":"a.b.c"}`, "unknown": `{"checkpoint":"x","until":1}`,
		"altered": pruningOf(t, first.Checkpoint[:len(first.Checkpoint)-6]+"AAAAAA", ""),
		"reason":  pruningOf(t, first.Checkpoint, strings.Repeat("x", 300)),
	} {
		if a := root.post(path, bad); a.Status != 422 {
			t.Errorf("%s: %d %s", name, a.Status, a.Body)
		}
	}
	var dry struct{ After admin.PruningView }
	if a := root.post(path+"?dry_run=true", body); a.Status != 200 || json.Unmarshal([]byte(a.Body), &dry) != nil || dry.After.Events == 0 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	if len(w.Events(audit.TrailPruned)) != 0 {
		t.Fatal("a dry run was recorded")
	}
	var done [2]authztest.Answer
	for i := range done {
		done[i] = root.do(http.MethodPost, path, body, "Idempotency-Key", "k")
	}
	view := decode[admin.PruningView](t, done[0])
	if done[0].Status != 201 || done[1].Body != done[0].Body || done[1].Header.Get("Idempotency-Replayed") != "true" ||
		view.By != "root" || view.Events != dry.After.Events || len(view.Streams) != 1 || !view.CheckpointAt.Equal(w.Clock()) {
		t.Fatalf("%d %s\n%d %s", done[0].Status, done[0].Body, done[1].Status, done[1].Body)
	}
	events := w.Events(audit.TrailPruned)
	want := fmt.Sprintf(`"events":%d`, view.Events)
	if len(events) != 1 || events[0].Actor != "root" || !strings.Contains(events[0].Detail, want) || !strings.Contains(events[0].Detail, `"reason":"yearly"`) ||
		!strings.Contains(events[0].Detail, `"remote_addr":"127.0.0.1:`) || !strings.Contains(events[0].Detail, fmt.Sprintf(`"id":%d`, view.ID)) {
		t.Errorf("events %+v", events)
	}
	w.wantProblem(t, root.post(path, body), 409, "conflict")
	report, err := audit.Verify(t.Context(), w.Store, w.CheckpointRing.PublicJWKS(), nil)
	if err != nil || len(report.Faults) > 0 || len(report.Pruned) != 1 || report.Pruned[0].Pruning.ID != view.ID {
		t.Errorf("%+v %v", report, err)
	}
	list := decode[admin.PruningPage](t, w.as("operator").get(path+"?limit=1"))
	if len(list.Prunings) != 1 || list.Prunings[0].Events != view.Events || list.Prunings[0].Checkpoint != first.Checkpoint || len(covered) == 0 {
		t.Errorf("%+v", list)
	}
	w.wantProblem(t, root.get(path+"?before=0"), 422, "input_invalid")
}

// TestPruningFailsClosed: what cannot be recorded has not happened.
func TestPruningFailsClosed(t *testing.T) {
	w := newWorld(t)
	root := w.as("root")
	first := decode[admin.CheckpointView](t, root.post("/admin/v1/audit-checkpoints", ""))
	w.Broken.Break("Commit")
	w.wantProblem(t, root.post("/admin/v1/audit-prunings", pruningOf(t, first.Checkpoint, "")), 503, "storage_unavailable")
	streams, err := w.Store.AuditStreams(t.Context())
	if err != nil || streams[0].PrunedSeq != 0 {
		t.Errorf("%+v %v", streams, err)
	}
}
