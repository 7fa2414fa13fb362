package conformance

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certbound/certbound/conformance/internal/forge"
	"github.com/certbound/certbound/conformance/internal/harness"
)

// TestDatabaseHoldsNothingToActBy: who copies the database while it is in use finds
// no token, issued, revoked or asked about, and no private key, in any of its files.
func TestDatabaseHoldsNothingToActBy(t *testing.T) {
	t.Parallel()
	signing := forge.NewKey()
	keyFile := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(keyFile, forge.PrivateJWK(signing), 0o600); err != nil {
		t.Fatal(err)
	}
	d := harness.Start(t, "--signing-key", keyFile)
	acme := d.Pair(t, "acme-billing")
	token := d.Token(t, &acme, harness.TokenForm("acme-billing")).AccessToken
	expectServed(t, d, d.CallAPI(t, &acme, token))
	introspected(t, d, token)
	if resp := form(t, d, d.Revocation, &acme, url.Values{"client_id": {"acme-billing"}, "token": {token}}); resp.Status != http.StatusOK {
		t.Fatalf("revocation: %s", resp)
	}
	mallory := d.Pair(t, "mallory-app")
	d.CallAPI(t, &mallory, token)
	mustAdmin(t, d, "client", "disable", "mallory-app", "--reason", "test")

	scalar, err := signing.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(acme.Key)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(token, ".")
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		t.Fatal(err)
	}
	secrets := map[string][]byte{
		"the token's signature": []byte(parts[2]), "its octets": signature, "its payload": []byte(parts[1]),
		"the signing key": scalar, "the signing key in base64": []byte(base64.RawURLEncoding.EncodeToString(scalar)), "a client's key": der, "PEM of a private key": []byte("PRIVATE KEY-----"),
	}
	files, err := filepath.Glob(filepath.Join(d.Dir, "*.db*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no database in %s: %v", d.Dir, err)
	}
	known := false
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		known = known || bytes.Contains(content, []byte("acme-billing"))
		for name, secret := range secrets {
			if bytes.Contains(content, secret) {
				t.Errorf("%s holds %s", filepath.Base(file), name)
			}
		}
	}
	if !known {
		t.Error("the files do not even name the client: they are not what is used")
	}
}
