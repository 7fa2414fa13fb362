package conformance

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/certbound/certbound/conformance/internal/harness"
)

// migration is what `certbound migrate -o json` prints.
type migration struct {
	From, To         int
	Changed, Pending bool
}

func migrate(t *testing.T, file string, more ...string) (done migration) {
	t.Helper()
	result := harness.Run(t, append([]string{"migrate", "--config", file, "-o", "json"}, more...)...)
	if result.Code != 0 || result.Stderr != "" {
		t.Errorf("code %d: %s", result.Code, result.Stderr)
	}
	if err := json.Unmarshal([]byte(result.Stdout), &done); err != nil {
		t.Errorf("%v: %s", err, result.Stdout)
	}
	return done
}

// TestMigrateTogether: of several that migrate while a server starts on the same new
// database, one at the most does it, and all of them end well.
func TestMigrateTogether(t *testing.T) {
	t.Parallel()
	site := harness.NewSite(t, newUpstream(t).URL)
	file, _ := site.WriteConfigs(t)
	done := make([]migration, 4)
	var all sync.WaitGroup
	for i := range done {
		all.Go(func() { done[i] = migrate(t, file, "--create") })
	}
	d := site.StartWith(t)
	all.Wait()
	changed := 0
	for _, one := range done {
		if one.To < 1 || one.Changed != (one.From == 0) || one.Pending {
			t.Errorf("%+v", one)
		}
		if one.Changed {
			changed++
		}
	}
	if changed > 1 {
		t.Errorf("%d say that they migrated", changed)
	}
	one := site.Client(t, "one")
	d.Token(t, &one, harness.TokenForm("one"))
	if again := migrate(t, file, "--check"); again.Changed || again.Pending || again.From != again.To {
		t.Errorf("under the running server: %+v", again)
	}
	d.Token(t, &one, harness.TokenForm("one"))
}

// TestMigrateSaysWhatServeSays: a database that serve does not open is refused by
// migrate in the same words, and stays as it is.
func TestMigrateSaysWhatServeSays(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ statement, want string }{
		"newer":   {"UPDATE schema_migrations SET version = 9999", "the database schema is newer than this program: it is at version 9999"},
		"dirty":   {"UPDATE schema_migrations SET dirty = 1", "a migration was left half done"},
		"foreign": {"DROP TABLE schema_migrations", "the database belongs to another program"},
	} {
		t.Run(name, func(t *testing.T) {
			site := harness.NewSite(t, "http://127.0.0.1:1")
			file, _ := site.WriteConfigs(t)
			migrate(t, file, "--create")
			execute(t, filepath.Join(site.Dir, "site.db"), c.statement)
			serve := harness.Run(t, "serve", "--config", file)
			if serve.Code != 1 {
				t.Fatalf("serve: code %d: %s", serve.Code, serve.Stderr)
			}
			for _, more := range [][]string{nil, {"--check"}, {"--dry-run"}, {"--create"}} {
				result := harness.Run(t, append([]string{"migrate", "--config", file}, more...)...)
				if result.Code != 1 || result.Stdout != "" || !strings.HasSuffix(serve.Stderr, result.Stderr) {
					t.Errorf("%v: code %d\n%s%sserve says\n%s", more, result.Code, result.Stdout, result.Stderr, serve.Stderr)
				}
				expectMentions(t, result.Stderr, "serve.yaml:", "database.path: ", c.want)
			}
			doctor := harness.Run(t, "doctor", "--config", file, "-o", "json")
			expectMentions(t, doctor.Stdout, c.want)
			if strings.Contains(doctor.Stdout, "the next start migrates it") {
				t.Errorf("doctor promises that the next start migrates it:\n%s", doctor.Stdout)
			}
		})
	}
}
