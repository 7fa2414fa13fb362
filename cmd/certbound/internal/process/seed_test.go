package process_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/cmd/certbound/internal/config"
	"github.com/certbound/certbound/cmd/certbound/internal/process"
	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/storage"
	"github.com/certbound/certbound/storage/sqlite"
)

// load writes serve.yaml, with a seed when there is one, and reads it.
func load(t *testing.T, dir, seed string) *config.Serve {
	t.Helper()
	text := serveYAML
	if seed != "" {
		write(t, dir, "seed.yaml", seed)
		text += "seed: seed.yaml\n"
	}
	c, _, err := config.LoadServe(write(t, dir, "serve.yaml", text), nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// startAndStop makes an authorization server and closes it again.
func startAndStop(t *testing.T, c *config.Serve, o process.Options) error {
	t.Helper()
	authz, err := process.NewAuthz(t.Context(), c, o)
	if err != nil {
		return err
	}
	return authz.Close()
}

// partner reads a record as another process would.
func partner(t *testing.T, dir, id string) (storage.Partner, error) {
	t.Helper()
	store, err := sqlite.Open(t.Context(), filepath.Join(dir, "certbound.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	return store.Partner(t.Context(), id)
}

// TestWrongKEKChangesNothing: a start that fails over its keys has not applied
// the seed.
func TestWrongKEKChangesNothing(t *testing.T) {
	dir := files(t)
	if err := startAndStop(t, load(t, dir, "partners: [{id: acme, name: Acme}]\n"), options); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "kek", base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32))))
	err := startAndStop(t, load(t, dir, "partners: [{id: acme, name: Renamed}, {id: globex}]\n"), options)
	check(t, dir, "serve.yaml", err, "FILE:8:1: keys: cannot open the envelope of ")
	if p, err := partner(t, dir, "acme"); err != nil || p.Name != "Acme" {
		t.Errorf("partner %+v, %v: the seed was applied", p, err)
	}
	if _, err := partner(t, dir, "globex"); err == nil {
		t.Error("the seed was applied")
	}
}

// TestRefusedBeforeTheDatabase: what can be known without the database is said
// before there is one, and `config validate` says the same.
func TestRefusedBeforeTheDatabase(t *testing.T) {
	for name, c := range map[string]struct{ old, new, seed string }{
		"issuer": {old: "localhost:8443", new: "localhost:8443/"},
		"seed":   {seed: "apis: [{id: a, audience: relative, scopes: [s]}]\n"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := files(t)
			c2 := load(t, dir, c.seed)
			if c.old != "" {
				c2.Issuer = strings.Replace(c2.Issuer, c.old, c.new, 1)
			}
			refused := startAndStop(t, c2, options)
			if refused == nil {
				t.Fatal("it starts")
			}
			if _, err := os.Stat(filepath.Join(dir, "certbound.db")); err == nil {
				t.Error("the database was made")
			}
			if err := process.CheckAuthz(c2, options.Logger); err == nil || err.Error() != refused.Error() {
				t.Errorf("validate says\n%v\nserve says\n%v", err, refused)
			}
		})
	}
}

// TestExpiredSeed: refused while it is new, by both; accepted once, it starts for
// ever.
func TestExpiredSeed(t *testing.T) {
	ended := time.Now().Add(-time.Hour)
	ca := keystest.NewCA(t, "Old CA", keystest.Validity(ended.Add(-48*time.Hour), ended))
	seed := fmt.Sprintf("trust_bundles:\n  - name: old\n    anchors: %q\n", ca.CertPEM())
	const want = `FILE:12:7: seed: DIR/seed.yaml:2:5: trust_bundles[0] "old": trust: bundle old: anchors: certificate 1 (CN=Old CA): it expired at `

	dir := files(t)
	c := load(t, dir, seed)
	check(t, dir, "serve.yaml", process.CheckAuthz(c, options.Logger), want)
	check(t, dir, "serve.yaml", startAndStop(t, c, options), want)
	lost := *c // with another mistake both are reported
	lost.TLS.Key = "nowhere.key"
	if err := process.CheckAuthz(&lost, options.Logger); err == nil ||
		!strings.Contains(err.Error(), "nowhere.key") || !strings.Contains(err.Error(), "CN=Old CA") {
		t.Errorf("validate says %v, want both mistakes", err)
	}

	authority := keystest.NewCA(t, "servers")
	authority.Server(t, keystest.DNS("localhost"), keystest.Validity(ended.Add(-48*time.Hour), ended.Add(48*time.Hour))).WriteFiles(t, dir, "server")
	earlier := options
	earlier.Clock = func() time.Time { return ended.Add(-time.Hour) }
	if err := startAndStop(t, c, earlier); err != nil {
		t.Fatal(err)
	}
	if err := startAndStop(t, c, options); err != nil {
		t.Errorf("what was accepted stops the start: %v", err)
	}
}

// TestClockOfTheServersCertificate: it is judged by the clock everything else
// goes by.
func TestClockOfTheServersCertificate(t *testing.T) {
	dir := files(t)
	c := load(t, dir, "")
	o := options
	o.Clock = func() time.Time { return time.Date(2120, 1, 1, 0, 0, 0, 0, time.UTC) }
	check(t, dir, "serve.yaml", startAndStop(t, c, o), `FILE:4:16: tls.certificate: servertls: `)
	write(t, dir, "proxy.yaml", proxyYAML)
	p, _, err := config.LoadProxy(filepath.Join(dir, "proxy.yaml"), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = process.NewProxy(p, o)
	check(t, dir, "proxy.yaml", err, `FILE:2:`)
}

// TestExposedDatabaseIsLogged: the warning goes where the process logs.
func TestExposedDatabaseIsLogged(t *testing.T) {
	dir := files(t)
	c := load(t, dir, "")
	if err := startAndStop(t, c, options); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "certbound.db"), 0o644); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	o := options
	o.Logger = slog.New(slog.NewJSONHandler(&log, nil))
	if err := startAndStop(t, c, o); err != nil {
		t.Fatal(err)
	}
	var line map[string]any
	if err := json.Unmarshal([]byte(log.String()), &line); err != nil || line["msg"] != "database_exposed" {
		t.Errorf("logged %q, %v", log.String(), err)
	}
}
