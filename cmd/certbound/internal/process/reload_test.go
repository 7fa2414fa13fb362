package process_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/certbound/certbound/cmd/certbound/internal/config"
	"github.com/certbound/certbound/cmd/certbound/internal/process"
	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/storage"
	"github.com/certbound/certbound/storage/sqlite"
)

func loadProxy(t *testing.T, dir, text string) *config.Proxy {
	t.Helper()
	c, _, err := config.LoadProxy(write(t, dir, "proxy.yaml", text), nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func newProxy(t *testing.T, dir string) *process.Proxy {
	t.Helper()
	p, err := process.NewProxy(loadProxy(t, dir, proxyYAML), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// status is the answer to somebody without a token: 401 where a route is, 404
// where there is none.
func status(t *testing.T, p *process.Proxy, path string) int {
	t.Helper()
	w := httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return w.Code
}

func TestProxyReload(t *testing.T) {
	const feed = "revocations: {client_id: rs, certificate: server.pem, key: server.key}\n"
	for _, tt := range []struct {
		name, text string
		changed    []string
		want       string // of the error; "" when it is put in force
	}{
		{"nothing", proxyYAML, nil, ""},
		{"a route", strings.Replace(proxyYAML, "/accounts", "/payments", 1), []string{"routes"}, ""},
		{"a listener", "listen: 127.0.0.1:9\n" + proxyYAML, nil, "FILE:1:9: listen: a running process cannot change this"},
		{"a CA that is not there", strings.Replace(proxyYAML, "issuer_ca: ca.pem", "issuer_ca: none.pem", 1), nil, "FILE:4:12: issuer_ca: DIR/none.pem: no such file"},
		{
			"both at once", "listen: 127.0.0.1:9\n" + strings.Replace(proxyYAML, "issuer_ca: ca.pem", "issuer_ca: none.pem", 1), nil,
			"FILE:1:9: listen: a running process cannot change this: restart it; until then nothing of the new configuration is in force\nFILE:5:12: issuer_ca: ",
		},
		{"an issuer that is away", strings.Replace(proxyYAML, "localhost:8443", "localhost:1", 1), nil, "FILE:3:9: issuer: its keys cannot be had by the new settings: "},
		{"a feed that is away", proxyYAML + feed, nil, "FILE:12:1: revocations: the feed cannot be followed by the new settings: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := files(t)
			p := newProxy(t, dir)
			c := loadProxy(t, dir, tt.text)
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			changed, err := p.Reload(ctx, c)
			check(t, dir, "proxy.yaml", err, tt.want)
			if diff := cmp.Diff(tt.changed, changed); diff != "" {
				t.Error(diff)
			}
			old, moved := status(t, p, "/accounts"), status(t, p, "/payments")
			if swapped := tt.changed != nil; swapped != (old == http.StatusNotFound) || swapped != (moved == http.StatusUnauthorized) {
				t.Errorf("/accounts %d, /payments %d", old, moved)
			}
			if err := p.Ready(t.Context()); err != nil {
				t.Errorf("a proxy that was ready is not any more: %v", err)
			}
			if _, err := p.Reload(t.Context(), loadProxy(t, dir, proxyYAML)); err != nil || status(t, p, "/accounts") != http.StatusUnauthorized {
				t.Errorf("back: %v", err)
			}
		})
	}
}

// TestProxyIsNotReloadedBehindItsEnd: a reload that comes too late starts nothing.
func TestProxyIsNotReloadedBehindItsEnd(t *testing.T) {
	dir := files(t)
	p := newProxy(t, dir)
	p.Close()
	if _, err := p.Reload(t.Context(), loadProxy(t, dir, proxyYAML)); err == nil || err.Error() != "process: stopping" {
		t.Errorf("got %v", err)
	}
	p.Close()
}

// TestCheckSaysWhatReloadSays: `config validate` before a reload is worth asking.
func TestCheckSaysWhatReloadSays(t *testing.T) {
	dir := files(t)
	p := newProxy(t, dir)
	c := loadProxy(t, dir, strings.NewReplacer("ca.pem", "none.pem", "server.key", "none.key").Replace(proxyYAML))
	_, err := p.Reload(t.Context(), c)
	if said := process.CheckProxy(c, options); err == nil || said == nil || said.Error() != err.Error() {
		t.Errorf("reload says %v\nvalidate says %v", err, said)
	}
}

func TestAuthzReload(t *testing.T) {
	dir := files(t)
	const seed = "partners: [{id: acme, name: Acme}]\n"
	authz, err := process.NewAuthz(t.Context(), load(t, dir, seed), options)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := authz.Close(); err != nil {
			t.Error(err)
		}
	}()
	reload := func(seed, want string) {
		t.Helper()
		_, err := authz.Reload(t.Context(), load(t, dir, seed))
		check(t, dir, "serve.yaml", err, want)
	}
	expect := func(name string) {
		t.Helper()
		if p, err := partner(t, dir, "acme"); err != nil || p.Name != name {
			t.Errorf("partner %+v, %v, want the name %s", p, err, name)
		}
	}
	rename(t, dir, "By an administrator")
	reload(seed, "")
	expect("By an administrator") // the seed says nothing new
	reload("partners: [{id: acme, name: Acme}, {id: a b}]\n", `FILE:12:7: seed: DIR/seed.yaml:1:37: partners[1] "a b": id must be`)
	expect("By an administrator")
	reload("partners: [{id: acme, name: Renamed}]\n", "")
	expect("Renamed")

	served := func() string {
		certificate, err := authz.Server.TLSConfig.GetCertificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		return certificate.Leaf.SerialNumber.String()
	}
	next := keystest.NewCA(t, "servers").Server(t)
	next.WriteFiles(t, dir, "server")
	reload("partners: [{id: acme, name: Renamed}]\n", "")
	if served() != next.Cert.SerialNumber.String() {
		t.Error("the certificate is the old one")
	}
	if err := os.Remove(filepath.Join(dir, "server.key")); err != nil {
		t.Fatal(err)
	}
	reload("partners: [{id: acme, name: Again}]\n", "FILE:4:16: tls.certificate: servertls: key file ")
	expect("Renamed") // all or nothing
}

// rename changes a partner as the admin API of another process would.
func rename(t *testing.T, dir, name string) {
	t.Helper()
	store, err := sqlite.Open(t.Context(), filepath.Join(dir, "certbound.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	err = store.Update(t.Context(), func(tx storage.Tx) error {
		p, err := tx.Partner(t.Context(), "acme")
		if err != nil {
			return err
		}
		p.Name = name
		return tx.UpdatePartner(t.Context(), p)
	})
	if err != nil {
		t.Fatal(err)
	}
}
