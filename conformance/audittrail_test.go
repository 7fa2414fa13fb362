package conformance

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certbound/certbound/conformance/internal/harness"
)

// TestAuditVerifyFindsTampering alters copies of a server's database as somebody
// would who can write to it. The hash of what was altered is left as it is: making
// a new one moves the fault to the next event, and a chain made anew to its end is
// what a checkpoint is for.
func TestAuditVerifyFindsTampering(t *testing.T) {
	dir := t.TempDir()
	d := harness.StartIn(t, dir)
	acme := d.Pair(t, "acme-billing")
	for range 5 {
		d.Token(t, &acme, harness.TokenForm("acme-billing"))
	}
	kept := filepath.Join(t.TempDir(), "kept")
	checkpoint := mustAdmin(t, d, "audit", "checkpoint")
	if err := os.WriteFile(kept, []byte(checkpoint), 0o600); err != nil {
		t.Fatal(err)
	}
	if listed := mustAdmin(t, d, "audit", "list", "--kind", "audit.checkpoint"); !strings.Contains(listed, "admin") {
		t.Errorf("the checkpoint is not recorded:\n%s", listed)
	}
	d.Token(t, &acme, harness.TokenForm("acme-billing")) // life goes on
	if err := d.Stop(); err != nil {
		t.Fatal(err)
	}
	database, err := os.ReadFile(filepath.Join(dir, "certbound.db"))
	if err != nil {
		t.Fatal(err)
	}
	config := auditConfig(t, dir)
	const cut = `DELETE FROM audit_events WHERE seq > 3;
		UPDATE audit_streams SET head_seq = 3, head_hash = (SELECT hash FROM audit_events WHERE seq = 3)`
	for _, c := range []struct {
		name, change string
		args         []string
		code         int
		says         string
	}{
		{"nothing", "", nil, 0, "consistent; without a checkpoint"},
		{"nothing, with a checkpoint", "", []string{"--checkpoint", kept}, 0, "complete up to the checkpoint"},
		{"deletion", "DELETE FROM audit_events WHERE seq = 3", nil, 3, "event 3: missing"},
		{"edit", "UPDATE audit_events SET client_id = 'mallory-app' WHERE seq = 3", nil, 3, "event 3: was changed"},
		{"edit of the detail", "UPDATE audit_events SET detail = '{}' WHERE seq = 3", nil, 3, "event 3: was changed"},
		{"reordering", `UPDATE audit_events SET seq = 1000 WHERE seq = 3; UPDATE audit_events SET seq = 3 WHERE seq = 4;
			UPDATE audit_events SET seq = 4 WHERE seq = 1000`, nil, 3, "event 3: does not follow"},
		{"cut tail", "DELETE FROM audit_events WHERE seq > 3", nil, 3, "the chain ends at event 3"},
		{"cut tail and head", cut, nil, 0, "consistent; without a checkpoint"},
		{"cut tail and head, with a checkpoint", cut, []string{"--checkpoint", kept}, 3, "its tail was cut"},
		{"everything, with a checkpoint", "DELETE FROM audit_events; DELETE FROM audit_streams", []string{"--checkpoint", kept}, 3, "it is gone"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "copy.db")
			if err := os.WriteFile(file, database, 0o600); err != nil {
				t.Fatal(err)
			}
			tamper(t, file, c.change)
			t.Setenv("CERTBOUND_DATABASE_PATH", file)
			result := harness.Run(t, append([]string{"audit", "verify", "--config", config}, c.args...)...)
			if said := result.Stdout + result.Stderr; result.Code != c.code || !strings.Contains(said, c.says) {
				t.Errorf("exit code %d, want %d and %q\n%s", result.Code, c.code, c.says, said)
			}
		})
	}
}

func tamper(t *testing.T, file, change string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), change); err != nil {
		t.Fatal(err)
	}
}
