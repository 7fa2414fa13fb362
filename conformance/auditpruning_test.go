package conformance

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/certbound/certbound/conformance/internal/harness"
)

// manyTokens gets that many over a few connections.
func manyTokens(t *testing.T, d *harness.Dev, count int) {
	t.Helper()
	left := atomic.Int64{}
	left.Store(int64(count))
	issue(t, d, func() bool { return left.Add(-1) >= 0 })
}

// issue gets tokens for as long as more says so; none may be refused.
func issue(t *testing.T, d *harness.Dev, more func() bool) {
	t.Helper()
	pair := d.Pair(t, "acme-billing")
	body := harness.TokenForm("acme-billing").Encode()
	var all sync.WaitGroup
	for range 4 {
		client := d.HTTPClient(t, &pair, nil)
		all.Go(func() {
			for more() {
				request := d.TokenRequest(nil, body)
				request.Client = client
				if response, err := d.Try(t, request); err != nil || response.Status != http.StatusOK {
					t.Errorf("a token: %v %v", response, err)
					return
				}
			}
		})
	}
	all.Wait()
}

// keepCheckpoint has a checkpoint signed and writes it to a file.
func keepCheckpoint(t *testing.T, d *harness.Dev) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "checkpoint")
	if err := os.WriteFile(file, []byte(mustAdmin(t, d, "audit", "checkpoint")), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// swept waits until nothing is left that was given up.
func swept(t *testing.T, file string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for len(column(t, file, `SELECT b.id FROM audit_batches b JOIN audit_streams s ON s.id = b.stream_id WHERE b.last_seq <= s.pruned_seq`)) > 0 {
		if time.Now().After(deadline) {
			t.Fatal("what was given up is not deleted")
		}
	}
}

// TestPrunedAuditTrail prunes a running server's trail, kills it meanwhile, and
// prunes again under load: at each step the trail verifies and says where it
// begins, by whose leave; no token is refused; and on copies of the database it
// shows what somebody else has removed.
func TestPrunedAuditTrail(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	database := filepath.Join(dir, "certbound.db")
	d := harness.StartIn(t, dir)
	manyTokens(t, d, 300)
	early := keepCheckpoint(t, d)
	manyTokens(t, d, 100)
	late := keepCheckpoint(t, d)
	manyTokens(t, d, 20)
	if said := mustAdmin(t, d, "audit", "prune", "--before-checkpoint", late, "--dry-run"); !strings.Contains(said, "would be given up") {
		t.Errorf("dry run: %s", said)
	}
	if said := mustAdmin(t, d, "audit", "prune", "--before-checkpoint", late, "--reason", "yearly"); !strings.Contains(said, "events given up, up to the checkpoint of 2") {
		t.Errorf("pruned: %s", said)
	}
	if err := d.Kill(); err != nil {
		t.Fatal(err)
	}
	verified := func(says string, args ...string) {
		t.Helper()
		result := harness.Run(t, append([]string{"audit", "verify", "--config", auditConfigOf(t, dir, database)}, args...)...)
		if result.Code != 0 || !strings.Contains(result.Stdout, says) || !strings.Contains(result.Stdout, "by admin, at the checkpoint of 2") {
			t.Errorf("exit code %d\n%s%s, want %q", result.Code, result.Stdout, result.Stderr, says)
		}
	}
	verified("consistent from where it was pruned on")
	verified("all that the given checkpoint has seen", "--checkpoint", early)

	d = harness.StartIn(t, dir)
	swept(t, database)
	verified("complete from where it was pruned up to the checkpoint", "--checkpoint", late)
	if again := asAdmin(t, d, "audit", "prune", "--before-checkpoint", early); again.Code != 2 || !strings.Contains(again.Stderr, "conflict") {
		t.Errorf("once more: %d %s", again.Code, again.Stderr)
	}
	if listed := mustAdmin(t, d, "audit", "list", "--kind", "audit.pruned"); strings.Count(listed, "admin") != 1 {
		t.Errorf("recorded:\n%s", listed)
	}
	newest := pruneUnderLoad(t, d, database)
	if listed := mustAdmin(t, d, "audit", "prunings"); strings.Count(listed, "admin") != 2 {
		t.Errorf("prunings:\n%s", listed)
	}
	if err := d.Stop(); err != nil {
		t.Fatal(err)
	}
	verified("complete from where it was pruned", "--checkpoint", newest)
	dishonestPrunings(t, dir, database)
}

// pruneUnderLoad prunes while tokens are issued, and returns the checkpoint.
func pruneUnderLoad(t *testing.T, d *harness.Dev, database string) string {
	t.Helper()
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		issue(t, d, func() bool {
			select {
			case <-stop:
				return false
			default:
				return true
			}
		})
	}()
	defer func() {
		close(stop)
		<-done
	}()
	checkpoint := keepCheckpoint(t, d)
	mustAdmin(t, d, "audit", "prune", "--before-checkpoint", checkpoint)
	swept(t, database)
	return checkpoint
}

// dishonestPrunings removes on copies what nobody gave leave to remove.
func dishonestPrunings(t *testing.T, dir, database string) {
	content, err := os.ReadFile(database)
	if err != nil {
		t.Fatal(err)
	}
	// The first batch that is left goes, and the stream is told to begin behind it.
	const first = "(SELECT min(id) FROM audit_batches)"
	for name, c := range map[string]struct{ change, says string }{
		"rows":                {"DELETE FROM audit_batches WHERE id = " + first, "missing: the next event is"},
		"rows, with the mark": {"UPDATE audit_streams SET indexed_seq = 99999, pruned_seq = (SELECT last_seq FROM audit_batches WHERE id = " + first + "), pruned_hash = (SELECT hash FROM audit_batches WHERE id = " + first + "); DELETE FROM audit_batches WHERE id = " + first, "no pruning signed by this server says so"},
		"the statements":      {"DELETE FROM audit_prunings", "no pruning signed by this server says so"},
		"an earlier one":      {"DELETE FROM audit_prunings WHERE id = (SELECT max(id) FROM audit_prunings)", "no pruning signed by this server says so"},
		"all there was":       {"DELETE FROM audit_batches", "its index has seen"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "copy.db")
			if err := os.WriteFile(file, content, 0o600); err != nil {
				t.Fatal(err)
			}
			tamper(t, file, c.change)
			result := harness.Run(t, "audit", "verify", "--config", auditConfigOf(t, dir, file))
			if result.Code != 3 || !strings.Contains(result.Stderr, c.says) {
				t.Errorf("exit code %d, want 3 and %q\n%s%s", result.Code, c.says, result.Stdout, result.Stderr)
			}
		})
	}
}
