package dev_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/certbound/certbound/authz/tokenclient"
	"github.com/certbound/certbound/cmd/certbound/internal/config"
	"github.com/certbound/certbound/cmd/certbound/internal/dev"
	"github.com/certbound/certbound/storage/sqlite"
)

func options(dir string) dev.Options {
	return dev.Options{
		Dir: dir, AuthzAddr: ":0", ProxyAddr: ":0", AdminAddr: ":0", OpsAddr: ":0", Leeway: config.DefaultLeeway,
		Logger: slog.New(slog.DiscardHandler),
	}
}

// run starts a dev and returns it with what stops it.
func run(t *testing.T, o dev.Options) (*dev.Info, func()) {
	t.Helper()
	server, err := dev.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- server.Run(ctx, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-ended:
		stop()
		t.Fatalf("dev ended: %v", errors.Join(err, server.Close()))
	}
	return &server.Info, func() {
		stop()
		if err := errors.Join(<-ended, server.Close()); err != nil {
			t.Error(err)
		}
	}
}

// token gets a token for a client of dev.json.
func token(t *testing.T, info *dev.Info, id string) (*tokenclient.Token, error) {
	t.Helper()
	client, err := info.Client(id)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(info.Path(client.Cert), info.Path(client.Key))
	if err != nil {
		t.Fatal(err)
	}
	roots, err := config.ReadRoots(config.Path(info.Path(info.CA)))
	if err != nil {
		t.Fatal(err)
	}
	asker, err := tokenclient.New(tokenclient.Config{Issuer: info.Issuer, ClientID: id, Certificate: pair, RootCAs: roots})
	if err != nil {
		t.Fatal(err)
	}
	defer asker.Close()
	return asker.Token(t.Context(), tokenclient.Request{})
}

func TestEveryClientGetsAToken(t *testing.T) {
	info, stop := run(t, options(t.TempDir()))
	defer stop()
	for _, client := range info.Clients {
		got, err := token(t, info, client.ClientID)
		if err != nil {
			t.Errorf("%s: %v", client.ClientID, err)
			continue
		}
		if want := strings.Join(client.Scopes, " "); got.Scope != want || got.ExpiresIn != 300 {
			t.Errorf("%s: scope %q for %d s, want %q for 300", client.ClientID, got.Scope, got.ExpiresIn, want)
		}
	}
}

// The members that scripts rely on, with the types they have on disk.
func TestInfoFile(t *testing.T) {
	dir := t.TempDir()
	info, stop := run(t, options(dir))
	data, err := os.ReadFile(filepath.Join(dir, "dev.json"))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	for _, member := range []string{
		"issuer", "token_endpoint", "introspection_endpoint", "revocation_endpoint", "jwks_uri", "proxy", "admin", "admin_audience",
		"admin_client", "ops", "audience", "upstream", "ca",
		"trust_bundles", "rs_client", "clients", "routes", "pid",
	} {
		if got[member] == nil {
			t.Errorf("dev.json has no %s", member)
		}
		delete(got, member)
	}
	if len(got) != 0 {
		t.Errorf("dev.json promises what is not there: %v", got)
	}
	if info.PID != os.Getpid() || info.Audience != info.Proxy || info.TokenEndpoint != info.Issuer+"/oauth2/token" {
		t.Errorf("info = %+v", info)
	}
	files := []string{info.CA, info.RSClient.Cert, info.RSClient.Key, info.AdminClient.Cert, info.AdminClient.Key}
	for _, bundle := range info.TrustBundles {
		files = append(files, bundle.CA, bundle.CAKey)
	}
	for _, name := range files {
		stat, err := os.Stat(info.Path(name))
		if err != nil || filepath.IsAbs(name) {
			t.Errorf("%s: %v, want a path relative to the directory", name, err)
		} else if strings.HasSuffix(name, ".key") && stat.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", name, stat.Mode())
		}
	}
	again, err := dev.ReadInfo(dir)
	if err != nil || again.Issuer != info.Issuer {
		t.Errorf("ReadInfo = %+v, %v", again, err)
	}
	stop()
	if _, err := os.Stat(filepath.Join(dir, "dev.json")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("dev.json after the end: %v", err)
	}
}

func TestRestartKeepsWorking(t *testing.T) {
	dir := t.TempDir()
	info, stop := run(t, options(dir))
	first := certificate(t, info, "acme-billing")
	stop()
	info, stop = run(t, options(dir)) // free ports again: another issuer, another audience
	defer stop()
	if second := certificate(t, info, "acme-billing"); !second.Equal(first) {
		t.Error("the certificate was made anew though the old one was good")
	}
	for _, id := range []string{"acme-billing", "acme-edge"} {
		if _, err := token(t, info, id); err != nil {
			t.Errorf("%s after the restart: %v", id, err)
		}
	}
}

// What has expired, or is about to, is made anew at the next start: leaves after
// a month, and the CAs, with all they signed, after a year. Records follow.
func TestRestartRenewsWhatExpired(t *testing.T) {
	const day = 24 * time.Hour
	for name, age := range map[string]time.Duration{
		"leaves about to end, records in the database": 29*day + 12*time.Hour,
		"leaves ended":             31 * day,
		"CAs too young for a leaf": 350 * day,
		"everything ended":         400 * day,
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t.TempDir())
			o.Clock = func() time.Time { return time.Now().Add(-age) }
			// Made, and not served: callers go by the time of today.
			server, err := dev.New(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if err := server.Close(); err != nil {
				t.Fatal(err)
			}
			o.Clock = nil
			info, stop := run(t, o)
			defer stop()
			for _, client := range info.Clients {
				if _, err := token(t, info, client.ClientID); err != nil {
					t.Errorf("%s after the renewal: %v", client.ClientID, err)
				}
				if left := time.Until(certificate(t, info, client.ClientID).NotAfter); left < 29*day {
					t.Errorf("%s's certificate ends in %s", client.ClientID, left)
				}
			}
		})
	}
}

// A given signing key becomes the directory's: it signs from the first start on,
// also when it is not given again, and another one is refused.
func TestSigningKey(t *testing.T) {
	newKey := func() *ecdsa.PrivateKey {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	key, o := newKey(), options(t.TempDir())
	for _, given := range []*jose.JSONWebKey{{Key: key}, {Key: key}, nil} {
		o.SigningKey = given
		info, stop := run(t, o)
		got, err := token(t, info, "acme-billing")
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := jose.ParseSignedCompact(got.AccessToken, []jose.SignatureAlgorithm{jose.ES256})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parsed.Verify(key.Public()); err != nil {
			t.Errorf("given again %v: the token is signed by another key: %v", given != nil, err)
		}
		stop()
	}
	o.SigningKey = &jose.JSONWebKey{Key: newKey()}
	if _, err := dev.New(t.Context(), o); err == nil || !strings.Contains(err.Error(), "is already the active key") {
		t.Errorf("another key: %v", err)
	}
}

// Another key-encryption key stops dev before it has changed a record.
func TestWrongKEK(t *testing.T) {
	dir := t.TempDir()
	_, stop := run(t, options(dir))
	stop()
	before := audience(t, dir)
	if err := os.Remove(filepath.Join(dir, "kek")); err != nil {
		t.Fatal(err)
	}
	_, err := dev.New(t.Context(), options(dir)) // free ports again: another audience
	if err == nil || !strings.HasPrefix(err.Error(), "dev: keys: cannot open the envelope of ") {
		t.Errorf("New = %v", err)
	}
	if after := audience(t, dir); after != before {
		t.Errorf("the audience in the database was changed from %s to %s", before, after)
	}
}

// audience reads the demo API's record.
func audience(t *testing.T, dir string) string {
	t.Helper()
	store, err := sqlite.Open(t.Context(), filepath.Join(dir, "certbound.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	api, err := store.API(t.Context(), "accounts")
	if err != nil {
		t.Fatal(err)
	}
	return api.Audience
}

func certificate(t *testing.T, info *dev.Info, id string) *x509.Certificate {
	t.Helper()
	client, err := info.Client(id)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(info.Path(client.Cert), info.Path(client.Key))
	if err != nil {
		t.Fatal(err)
	}
	return pair.Leaf
}

func TestOneDevADirectory(t *testing.T) {
	dir := t.TempDir()
	info, stop := run(t, options(dir))
	defer stop()
	_, err := dev.New(t.Context(), options(dir))
	if want := "dev: another dev is running in " + dir + "; stop it, or choose another --dir"; err == nil || err.Error() != want {
		t.Errorf("second dev: %v, want %s", err, want)
	}
	if _, err := token(t, info, "acme-billing"); err != nil {
		t.Errorf("the first one suffers: %v", err)
	}
}

func TestUpstreamIsReachedDirectlyOnly(t *testing.T) {
	info, stop := run(t, options(t.TempDir()))
	defer stop()
	roots, err := config.ReadRoots(config.Path(info.Path(info.CA)))
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}}}
	defer client.CloseIdleConnections()
	for address, want := range map[string]int{
		info.Upstream.Hits:       http.StatusOK,
		info.Proxy + "/hits":     http.StatusNotFound,
		info.Ops + "/livez":      http.StatusOK,
		info.Ops + "/readyz":     http.StatusOK,
		info.JWKSURI:             http.StatusOK,
		info.Proxy + "/accounts": http.StatusUnauthorized,
	} {
		response, err := client.Get(address)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		if err := response.Body.Close(); err != nil {
			t.Error(err)
		}
		if response.StatusCode != want {
			t.Errorf("%s answered %d, want %d", address, response.StatusCode, want)
		}
	}
}
