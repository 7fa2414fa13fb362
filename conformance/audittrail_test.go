package conformance

import (
	"database/sql"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/certbound/certbound/conformance/internal/harness"
)

// TestAuditVerifyFindsTampering alters copies of a server's database as somebody
// would who can write to it. The hash of what was altered is left as it is: making
// a new one moves the fault to the next event, and a chain made anew to its end is
// what a checkpoint is for.
func TestAuditVerifyFindsTampering(t *testing.T) {
	t.Parallel()
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
	at := oneTokenBatch(t, filepath.Join(dir, "certbound.db"))
	// A change says <n> for the number of a token's event, and <m> for that of the next.
	numbered := func(text string) string {
		return strings.NewReplacer("<n>", strconv.Itoa(at), "<m>", strconv.Itoa(at+1)).Replace(text)
	}
	const cut = `DELETE FROM audit_batches WHERE first_seq > <n>; UPDATE audit_streams SET indexed_seq = <n>`
	for _, c := range []struct {
		name, change string
		args         []string
		code         int
		says         string
	}{
		{"nothing", "", nil, 0, "consistent; without a checkpoint"},
		{"nothing, with a checkpoint", "", []string{"--checkpoint", kept}, 0, "complete up to the checkpoint"},
		{"deletion", "DELETE FROM audit_batches WHERE first_seq = <n>", nil, 3, "event <n>: missing: the next event is <m>"},
		{"edit", `UPDATE audit_batches SET body = replace(body, '"client":"acme-billing"', '"client":"mallory-app"') WHERE first_seq = <n>`, nil, 3, "event <n>: was changed"},
		{"edit of the detail", `UPDATE audit_batches SET body = replace(body, '"detail":{', '"detail":{"a":1,') WHERE first_seq = <n>`, nil, 3, "event <n>: was changed"},
		{"a second member of a name", `UPDATE audit_batches SET body = replace(body, '"detail":{', '"Client":"acme-billing","detail":{') WHERE first_seq = <n>`, nil, 3, "event <n>: was changed"},
		{"what is no event", `UPDATE audit_batches SET body = 'x' WHERE first_seq = <n>`, nil, 3, "event <n>: was changed"},
		{"deletion in a batch", `UPDATE audit_batches SET body = '[]' WHERE first_seq = <n>`, nil, 3, "event <n>: was changed"},
		{"reordering", `UPDATE audit_batches SET id = (1 << 40) + 9999, last_seq = 9999 WHERE first_seq = <n>;
			UPDATE audit_batches SET id = (1 << 40) + <n>, last_seq = <n>, body = replace(body, '"seq":<m>,', '"seq":<n>,') WHERE first_seq = <m>;
			UPDATE audit_batches SET id = (1 << 40) + <m>, last_seq = <m>, body = replace(body, '"seq":<n>,', '"seq":<m>,') WHERE first_seq = 9999`,
			nil, 3, "event <n>: does not follow"},
		{"cut tail", "DELETE FROM audit_batches WHERE first_seq > <n>", nil, 3, "the chain ends at event <n>, its index has seen"},
		{"cut tail and mark", cut, nil, 0, "consistent; without a checkpoint"},
		{"cut tail and mark, with a checkpoint", cut, []string{"--checkpoint", kept}, 3, "its tail was cut"},
		{"everything, with a checkpoint", "DELETE FROM audit_batches; DELETE FROM audit_streams", []string{"--checkpoint", kept}, 3, "it is gone"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "copy.db")
			if err := os.WriteFile(file, database, 0o600); err != nil {
				t.Fatal(err)
			}
			tamper(t, file, numbered(c.change))
			config := auditConfigOf(t, dir, file)
			result := harness.Run(t, append([]string{"audit", "verify", "--config", config}, c.args...)...)
			if said := result.Stdout + result.Stderr; result.Code != c.code || !strings.Contains(said, numbered(c.says)) {
				t.Errorf("exit code %d, want %d and %q\n%s", result.Code, c.code, numbered(c.says), said)
			}
			result = harness.Run(t, append([]string{"audit", "verify", "-o", "json", "--config", config}, c.args...)...)
			var report struct {
				Holds, Checkpoint bool
				Faults            []string
			}
			if err := json.Unmarshal([]byte(result.Stdout), &report); err != nil || result.Code != c.code ||
				report.Holds != (c.code == 0) || report.Holds != (len(report.Faults) == 0) || report.Checkpoint != (c.args != nil) {
				t.Errorf("as JSON: exit code %d, %v\n%s", result.Code, err, result.Stdout)
			}
		})
	}
}

// oneTokenBatch returns the number of a token's event that was committed alone, as
// the one after it.
func oneTokenBatch(t *testing.T, file string) int {
	t.Helper()
	found := column(t, file, `SELECT min(a.first_seq) FROM audit_batches a JOIN audit_batches b ON b.id = a.id + 1
		WHERE a.first_seq = a.last_seq AND b.first_seq = b.last_seq AND a.body LIKE '%token.issued%'`)
	for text := range found {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	t.Fatal("no token was committed alone")
	return 0
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
