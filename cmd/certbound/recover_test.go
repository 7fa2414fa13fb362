package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certbound/certbound/authz/admin"
	"github.com/certbound/certbound/authz/registration"
	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
	"github.com/certbound/certbound/storage/sqlite"
)

// TestAdminRecover: with the configuration and the database in hand.
func TestAdminRecover(t *testing.T) {
	dir := t.TempDir()
	pair := keystest.SelfSigned(t, keystest.CommonName("alice"))
	cert, key := pair.WriteFiles(t, dir, "alice")
	file := filepath.Join(dir, "serve.yaml")
	text := fmt.Sprintf("version: 1\nissuer: https://as.example\ntls: {certificate: %s, key: %s}\ndatabase: {path: certbound.db}\nkeys: {active: k, keks: [{id: k, file: kek}]}\naudit: {instance: as-1}\n", cert, key)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"admin", "recover", "--config", file, "--client-id", "alice", "--cert", cert}
	if code, _, msg := administer(t, nil, args...); code != 1 || !strings.Contains(msg, "admin recover: the database: ") {
		t.Fatalf("without a database: %d %s", code, msg)
	}
	database := filepath.Join(dir, "certbound.db")
	open := func() storage.Store {
		store, err := sqlite.Open(t.Context(), database, sqlite.Options{Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		return store
	}
	if err := open().Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // it may be done again
		if code, out, msg := administer(t, nil, args...); code != 0 || out != "alice administers https://as.example with the certificate in "+cert+"\n" {
			t.Fatalf("%d %s %s", code, out, msg)
		}
	}
	store := open()
	defer func() { _ = store.Close() }()
	client, err := store.Client(t.Context(), "alice")
	if err != nil || client.PartnerID != "operations" || client.Generation != 3 || len(client.Scopes) != len(admin.Scopes()) {
		t.Errorf("%+v %v", client, err)
	}
	if api, err := store.API(t.Context(), registration.AdminAPI); err != nil || api.Audience != "https://as.example/admin" {
		t.Errorf("%+v %v", api, err)
	}
	events, err := store.AuditEvents(t.Context(), storage.AuditQuery{Kind: "administrator.added", Limit: 9})
	if err != nil || len(events) != 2 || events[0].Thumbprint != thumbprint.Of(pair.Cert) {
		t.Errorf("%+v %v", events, err)
	}
}
