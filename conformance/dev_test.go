package conformance

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/conformance/clause"
	"github.com/certbound/certbound/conformance/internal/harness"
	"github.com/certbound/certbound/keys/keystest"
)

// TestDevPrintsCommandsThatWork runs the printed lines as they are, in one shell.
func TestDevPrintsCommandsThatWork(t *testing.T) {
	d := harness.Shared(t)
	var script strings.Builder
	commands := 0
	for line := range strings.Lines(d.Stdout.String()) {
		if strings.HasPrefix(line, "TOKEN=") || strings.HasPrefix(line, "curl ") {
			commands++
			script.WriteString(line + "echo\necho ==== $?\n")
		}
	}
	if commands < 4 {
		t.Fatalf("dev prints %d commands:\n%s", commands, d.Stdout)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", script.String())
	cmd.Dir = t.TempDir()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got := strings.Count(string(out), "==== 0\n"); got != commands {
		t.Errorf("%d of %d commands ended with 0", got, commands)
	}
	// HTTP/2 has its header names in lower case.
	expectMentions(t, strings.ToLower(string(out)), `"x-certbound-client"`, "thumbprint_mismatch", "certificate_missing", "scope_insufficient",
		`www-authenticate: bearer`, "insufficient_scope", " 401", " 403")
}

func TestDemoTellsTheStory(t *testing.T) {
	t.Parallel()
	result := harness.Run(t, "demo")
	if result.Code != 0 {
		t.Fatalf("exit code %d\n%s\n%s", result.Code, result.Stdout, result.Stderr)
	}
	expectMentions(t, result.Stdout, "200", "401", "403", "thumbprint_mismatch", "certificate_missing", "scope_insufficient")
}

func TestDemoAgainstARunningDev(t *testing.T) {
	d := harness.Shared(t)
	for range 2 { // dev stays usable
		if result := harness.Run(t, "demo", "--dir", d.Dir); result.Code != 0 {
			t.Fatalf("exit code %d\n%s\n%s", result.Code, result.Stdout, result.Stderr)
		}
	}
}

func TestDevJSON(t *testing.T) {
	d := harness.Shared(t)
	var ids []string
	for _, c := range d.Clients {
		ids = append(ids, c.ClientID)
	}
	slices.Sort(ids)
	if want := []string{"acme-billing", "acme-edge", "globex-app", "mallory-app"}; !slices.Equal(ids, want) {
		t.Errorf("clients %v, want %v", ids, want)
	}
	if len(d.Routes) != 2 || d.Routes[0].Method != "GET" || d.Routes[1].Method != "POST" {
		t.Errorf("routes %v", d.Routes)
	}
	var contract map[string]any
	if err := json.Unmarshal(d.ReadFile(t, "dev.json"), &contract); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"issuer", "token_endpoint", "jwks_uri", "proxy", "ops", "audience", "upstream", "ca", "trust_bundles", "rs_client", "clients", "routes", "pid"} {
		if contract[name] == nil {
			t.Errorf("dev.json has no %s", name)
		}
	}
	for _, bundle := range d.TrustBundles {
		if !d.Bundle(t, bundle.Name).Cert.IsCA {
			t.Errorf("bundle %s: the certificate is no CA", bundle.Name)
		}
	}
}

// TestPrivateFilesArePrivate looks at what dev leaves on disk and in its log.
func TestPrivateFilesArePrivate(t *testing.T) {
	d := harness.Shared(t)
	private, err := d.SigningKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	secrets := map[string]string{
		"the signing key": string(private), "the signing key in base64url": base64.RawURLEncoding.EncodeToString(private),
		"the signing key in base64": base64.StdEncoding.EncodeToString(private),
	}
	err = filepath.WalkDir(d.Dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path, d.Dir)
		holdsKey := strings.Contains(string(content), "PRIVATE KEY") || strings.Contains(name, ".db") || strings.HasSuffix(name, ".kek")
		if holdsKey && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is readable by others: %s", name, info.Mode())
		}
		for what, secret := range secrets {
			if strings.Contains(string(content), secret) {
				t.Errorf("%s holds %s", name, what)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"PRIVATE KEY", "BEGIN CERTIFICATE", secrets["the signing key in base64url"]} {
		if strings.Contains(d.Stderr.String(), text) {
			t.Errorf("the log holds %q", text)
		}
	}
}

// jwt is anything that looks like a compact token.
var jwt = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.`)

func TestLogHoldsNoTokens(t *testing.T) {
	clause.Covers(t, "RFC6749-10-3")
	d, acme := victim(t)
	token := d.Token(t, &acme, harness.TokenForm("acme-billing")).AccessToken
	expectServed(t, d, d.CallAPI(t, &acme, token))
	expectAPIRefusal(t, d, d.APIRequest(nil, token), badToken("certificate_missing"))
	if found := jwt.FindString(d.Stderr.String()); found != "" {
		t.Errorf("the log holds a token: %s…", found)
	}
}

// TestDevIsReusable stops dev and starts it again in the same directory.
func TestDevIsReusable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := harness.StartIn(t, dir)
	keys := getJSON(t, first, first.JWKSURI)
	ca := first.ReadFile(t, first.CA)
	leaf := first.ReadFile(t, first.Client(t, "acme-billing").Cert)
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "dev.json")); !os.IsNotExist(err) {
		t.Errorf("dev.json is still there: %v", err)
	}
	second := harness.StartIn(t, dir)
	defer func() {
		if err := second.Stop(); err != nil {
			t.Error(err)
		}
	}()
	if string(second.ReadFile(t, second.CA)) != string(ca) || string(second.ReadFile(t, second.Client(t, "acme-billing").Cert)) != string(leaf) {
		t.Error("the PKI was made anew")
	}
	if again := getJSON(t, second, second.JWKSURI); describe(again) != describe(keys) {
		t.Errorf("the signing keys changed: %v, then %v", keys, again)
	}
	acme := second.Pair(t, "acme-billing")
	token := second.Token(t, &acme, harness.TokenForm("acme-billing")).AccessToken
	expectServed(t, second, second.CallAPI(t, &acme, token))
}

// TestDevAfterACrash leaves a dev.json and a database that nobody closed.
func TestDevAfterACrash(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := harness.StartIn(t, dir)
	keys := getJSON(t, first, first.JWKSURI)
	if err := first.Kill(); err != nil {
		t.Fatal(err)
	}
	second := harness.StartIn(t, dir)
	defer func() {
		if err := second.Stop(); err != nil {
			t.Error(err)
		}
	}()
	if second.PID == first.PID {
		t.Fatal("dev.json of the dead process was still there")
	}
	if again := getJSON(t, second, second.JWKSURI); describe(again) != describe(keys) {
		t.Errorf("the signing keys changed: %v, then %v", keys, again)
	}
	result := harness.Run(t, "dev", "--dir", dir, "--authz-addr", "127.0.0.1:0", "--proxy-addr", "127.0.0.1:0", "--ops-addr", "127.0.0.1:0")
	if result.Code == 0 {
		t.Error("a second dev runs in the directory of the first")
	}
	expectMentions(t, result.Stderr, dir)
}

// TestRetiredBundle replaces a bundle's anchor between two runs.
func TestRetiredBundle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	older, newer := keystest.NewCA(t, "older"), keystest.NewCA(t, "newer")
	seed := func(anchor *keystest.CA) string {
		out, err := json.Marshal(map[string]any{
			"trust_bundles": []any{map[string]any{"name": "moved", "anchors": string(anchor.CertPEM())}},
			"clients": []any{map[string]any{"client_id": "mover", "partner_id": "acme", "token_endpoint_auth_method": "tls_client_auth",
				"tls_client_auth_san_dns": "mover.test", "trust_bundle": "moved", "scope": "accounts:read"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		return writeFile(t, "seed.json", string(out))
	}
	old := older.Client(t, keystest.DNS("mover.test"))
	fresh := newer.Client(t, keystest.DNS("mover.test"))
	d := harness.StartIn(t, dir, "--seed", seed(older))
	d.Token(t, &old, harness.TokenForm("mover"))
	expectRefusal(t, d, d.PostToken(t, &fresh, harness.TokenForm("mover")), unbelieved("certificate_untrusted"))
	if err := d.Stop(); err != nil {
		t.Fatal(err)
	}
	d = harness.StartIn(t, dir, "--seed", seed(newer))
	defer func() {
		if err := d.Stop(); err != nil {
			t.Error(err)
		}
	}()
	expectRefusal(t, d, d.PostToken(t, &old, harness.TokenForm("mover")), unbelieved("retired_bundle"))
	d.Token(t, &fresh, harness.TokenForm("mover"))
}

// TestTokenExpires lives through the end of a token on an open connection: the
// last answer before exp is 200, the first after it 401.
func TestTokenExpires(t *testing.T) {
	d := harness.Start(t, "--token-lifetime", "3s")
	acme := d.Pair(t, "acme-billing")
	token := d.Token(t, &acme, harness.TokenForm("acme-billing"))
	_, payload := issued(t, token.AccessToken)
	exp := time.Unix(int64(payload["exp"].(float64)), 0)
	connection := d.HTTPClient(t, &acme, nil)
	served := 0
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); <-tick.C {
		req := d.APIRequest(nil, token.AccessToken)
		req.Client = connection
		sent := time.Now()
		resp := d.Send(t, req)
		if resp.Status == http.StatusOK {
			served++
			if sent.After(exp) {
				t.Fatalf("served %s after exp", sent.Sub(exp))
			}
			continue
		}
		if time.Now().Before(exp) {
			t.Fatalf("refused before exp: %s", resp)
		}
		expectRefusal(t, d, resp, badToken("token_expired"))
		if served == 0 {
			t.Error("never served")
		}
		return
	}
	t.Error("still served long after exp")
}
