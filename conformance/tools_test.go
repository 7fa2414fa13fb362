package conformance

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/certbound/certbound/conformance/internal/harness"
	"github.com/certbound/certbound/keys/keystest"
)

// selftestArgs attack a dev with one of its clients.
func selftestArgs(d *harness.Dev, client harness.ClientInfo, more ...string) []string {
	return append([]string{
		"selftest", "--issuer", d.Issuer, "--proxy", d.Proxy, "--ca", d.Path(d.CA), "--client-id", client.ClientID,
		"--cert", d.Path(client.Cert), "--key", d.Path(client.Key),
	}, more...)
}

// TestSelftestOnDev: the battery finds nothing, for a client of each method, and
// leaves the deployment as it was.
func TestSelftestOnDev(t *testing.T) {
	d := harness.Shared(t)
	other := d.Client(t, "mallory-app")
	for _, id := range []string{"acme-billing", "acme-edge", "globex-app"} {
		result := harness.Run(t, selftestArgs(d, d.Client(t, id), "--other-cert", d.Path(other.Cert), "--other-key", d.Path(other.Key), "-o", "json")...)
		var report struct {
			Results        []struct{ Probe, Outcome string }
			Requests       int
			Holes, Unclear int
			Skipped        int
		}
		if err := json.Unmarshal([]byte(result.Stdout), &report); err != nil || result.Code != 0 {
			t.Fatalf("%s: code %d, %v\n%s%s", id, result.Code, err, result.Stdout, result.Stderr)
		}
		if report.Holes+report.Unclear+report.Skipped > 0 || len(report.Results) < 70 || report.Requests > 200 {
			t.Errorf("%s: %+v", id, report)
		}
		pair := d.Pair(t, id)
		if resp := d.PostToken(t, &pair, harness.TokenForm(id)); resp.Status != 200 {
			t.Errorf("%s: afterwards %d", id, resp.Status)
		}
	}
}

func TestSelftestNeedsTheGoodCalls(t *testing.T) {
	d := harness.Shared(t)
	client := d.Client(t, "acme-billing")
	for want, more := range map[string][]string{
		"client_authentication_failed": {"--client-id", "nobody"},
		"route_unknown":                {"--path", "/nowhere"},
		"target_invalid":               {"--resource", "https://elsewhere.test"},
	} {
		if result := harness.Run(t, selftestArgs(d, client, more...)...); result.Code != 2 || !strings.Contains(result.Stderr, want) || result.Stdout != "" {
			t.Errorf("%v: code %d\n%s%s", more, result.Code, result.Stdout, result.Stderr)
		}
	}
}

// TestExplainTokenSaysWhatTheProxySays: the reason of the explanation is that of
// the refusal, for tokens that the authorization server issued.
func TestExplainTokenSaysWhatTheProxySays(t *testing.T) {
	d := harness.Shared(t)
	pair := d.Pair(t, "acme-billing")
	var granted struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(d.PostToken(t, &pair, harness.TokenForm("acme-billing")).Body, &granted); err != nil {
		t.Fatal(err)
	}
	good := granted.AccessToken
	renewed := d.Bundle(t, "partners").Client(t, keystest.WithKey(pair.Key), keystest.CommonName("acme-billing"))
	mallory := d.Pair(t, "mallory-app")
	for name, c := range map[string]struct {
		token string
		pair  keystest.Pair
		hint  string
	}{
		"good":      {good, pair, "It would be accepted"},
		"stolen":    {good, mallory, "bound to none of the certificates given"},
		"renewed":   {good, renewed, "with the same key and kept the token"},
		"cut off":   {good[:strings.LastIndex(good, ".")], pair, "the signature, is missing"},
		"opaque":    {"opaque", pair, "no dots"},
		"tampered":  {good[:len(good)-10] + "AAAAAAAAAA", pair, "changed after it was signed"},
		"forgotten": {good + "x", pair, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			token := filepath.Join(dir, "token")
			if err := os.WriteFile(token, []byte(c.token+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			cert, _ := c.pair.WriteFiles(t, dir, "client")
			previous, _ := pair.WriteFiles(t, dir, "previous")
			args := []string{
				"explain", "token", "--token-file", token, "--cert", cert, "--issuer", d.Issuer, "--ca", d.Path(d.CA),
				"--audience", d.Audience, "--scope", "accounts:read",
			}
			if name == "renewed" {
				args = append(args, "--previous-cert", previous)
			}
			text, answer := harness.Run(t, args...), harness.Run(t, append(args, "-o", "json")...)
			var report struct{ Reason string }
			if err := json.Unmarshal([]byte(answer.Stdout), &report); err != nil {
				t.Fatalf("%v\n%s%s", err, answer.Stdout, answer.Stderr)
			}
			resp := d.Send(t, harness.Request{
				Method: "GET", URL: d.Proxy + "/accounts", Pair: &c.pair,
				Header: map[string][]string{"Authorization": {"Bearer " + c.token}},
			})
			reason, code := "", 0
			if resp.Status != 200 {
				reason, code = resp.Refusal(t).Reason, 3
			}
			if report.Reason != reason || text.Code != code || answer.Code != code || !strings.Contains(text.Stdout, c.hint) {
				t.Errorf("explained %q with code %d, the proxy says %q; want %q in\n%s%s", report.Reason, text.Code, reason, c.hint, text.Stdout, text.Stderr)
			}
			if parts := strings.Split(good, "."); strings.Contains(text.Stdout+text.Stderr+answer.Stdout, parts[2]) {
				t.Error("the signature is printed")
			}
		})
	}
}

// TestCertVerifySaysWhatTheServerSays: the verdict on a certificate is the one the
// authorization server logs.
func TestCertVerifySaysWhatTheServerSays(t *testing.T) {
	d := harness.Shared(t)
	partners, stranger := d.Bundle(t, "partners"), keystest.NewCA(t, "certbound dev partners")
	client := d.Client(t, "acme-billing")
	uri := keystest.URI(client.Match["san_uri"])
	for name, pair := range map[string]keystest.Pair{
		"good":          partners.Client(t, uri),
		"another name":  partners.Client(t, keystest.URI("spiffe://partners.certbound.test/acme/other")),
		"stranger":      stranger.Client(t, uri),
		"expired":       partners.Client(t, uri, keystest.Expired()),
		"server's":      partners.Server(t, uri),
		"weak":          partners.Client(t, uri, keystest.RSA(1024)),
		"two SPIFFE":    partners.Client(t, keystest.URI(client.Match["san_uri"], "spiffe://partners.certbound.test/x")),
		"self-signed":   keystest.SelfSigned(t, uri),
		"critical":      partners.Client(t, uri, keystest.CriticalExtension()),
		"by a client's": keystest.Issuer(partners.Client(t)).Client(t, uri),
	} {
		t.Run(name, func(t *testing.T) {
			cert, _ := pair.WriteFiles(t, t.TempDir(), "client")
			result := harness.Run(t, "cert", "verify", "--bundle", d.Path("pki/partners.pem"), "--match", "san_uri="+client.Match["san_uri"], "-o", "json", cert)
			var verdict struct {
				Accepted bool
				Reason   string
			}
			if err := json.Unmarshal([]byte(result.Stdout), &verdict); err != nil {
				t.Fatalf("%v\n%s%s", err, result.Stdout, result.Stderr)
			}
			resp := d.PostToken(t, &pair, harness.TokenForm(client.ClientID))
			reason, code := "", 0
			if resp.Status != 200 {
				id := resp.Refusal(t).RequestID
				line := d.Stderr.WaitFor(t, "decision "+id, func(l harness.Line) bool { return l.Text("request_id") == id })
				reason, code = line.Text("reason"), 3
			}
			if verdict.Reason != reason || result.Code != code || verdict.Accepted != (code == 0) {
				t.Errorf("verdict %+v with code %d, the server logs %q", verdict, result.Code, reason)
			}
		})
	}
}

// doctorReport is what `certbound doctor -o json` prints.
type doctorReport struct {
	Findings []struct{ Level, Check, What, Why, Fix string }
	Problems int
	Warnings int
}

// examine runs the doctor on a configuration and returns what it found of the
// worse levels, as "level check".
func examine(t *testing.T, wantCode int, args ...string) (found []string, text string) {
	t.Helper()
	result := harness.Run(t, append([]string{"doctor", "-o", "json"}, args...)...)
	var report doctorReport
	if err := json.Unmarshal([]byte(result.Stdout), &report); err != nil || result.Code != wantCode {
		t.Fatalf("code %d, want %d; %v\n%s%s", result.Code, wantCode, err, result.Stdout, result.Stderr)
	}
	for _, f := range report.Findings {
		if f.Level == "ok" {
			continue
		}
		if f.Why == "" || f.Fix == "" {
			t.Errorf("a finding without why or fix: %+v", f)
		}
		if entry := f.Level + " " + f.Check; !slices.Contains(found, entry) {
			found = append(found, entry)
		}
	}
	return found, result.Stdout
}

func TestDoctor(t *testing.T) {
	t.Parallel()
	site := harness.NewSite(t, newUpstream(t).URL)
	site.Follow(t)
	site.Start(t)
	serve, proxy := filepath.Join(site.Dir, "serve.yaml"), filepath.Join(site.Dir, "proxy.yaml")
	ca := filepath.Join(site.Dir, "ca.pem")
	expect := func(t *testing.T, code int, want string, args ...string) {
		t.Helper()
		if found, text := examine(t, code, args...); strings.Join(found, ", ") != want {
			t.Errorf("found %q, want %q\n%s", found, want, text)
		}
	}
	// The API of the test answers whoever asks: that is worth a warning, no more.
	expect(t, 0, "warning upstream_bypass", "--config", proxy)
	expect(t, 3, "warning upstream_bypass", "--config", proxy, "--strict")
	expect(t, 0, "", "--config", serve, "--ca", ca, "--strict")
	// Without the roots nobody can say that the issuer is who it says.
	expect(t, 3, "PROBLEM issuer", "--config", serve)

	broken := func(name string, change func(map[string]any), of map[string]any) string {
		copied := maps.Clone(of)
		change(copied)
		return site.WriteJSON(t, name, copied)
	}
	t.Run("key for everybody", func(t *testing.T) {
		key := filepath.Join(site.Dir, "open.key")
		if err := os.WriteFile(key, readFile(t, filepath.Join(site.Dir, "server.key")), 0o644); err != nil {
			t.Fatal(err)
		}
		file := broken("open.yaml", func(c map[string]any) { c["tls"] = map[string]any{"certificate": "server.pem", "key": "open.key"} }, site.ProxyCfg)
		expect(t, 3, "PROBLEM key_file, warning upstream_bypass", "--config", file)
	})
	t.Run("upstream away", func(t *testing.T) {
		file := broken("away.yaml", func(c map[string]any) {
			c["routes"] = []any{map[string]any{"path": "/a", "methods": []string{"GET"}, "scopes": []string{"x"}, "upstream": "http://127.0.0.1:" + harness.FreePort(t)}}
			delete(c, "revocations")
		}, site.ProxyCfg)
		expect(t, 3, "warning feed, PROBLEM upstream", "--config", file)
	})
	t.Run("not a resource server", func(t *testing.T) {
		site.Client(t, "one").WriteFiles(t, site.Dir, "one")
		file := broken("one.yaml", func(c map[string]any) {
			c["revocations"] = map[string]any{"client_id": "one", "certificate": "one.pem", "key": "one.key"}
		}, site.ProxyCfg)
		found, text := examine(t, 3, "--config", file)
		if strings.Join(found, ", ") != "PROBLEM feed, warning upstream_bypass" || !strings.Contains(text, "not_a_resource_server") {
			t.Errorf("found %q\n%s", found, text)
		}
	})
	t.Run("another key-encryption key", func(t *testing.T) {
		site.Replace(t, "kek2", base64.StdEncoding.EncodeToString(make([]byte, 32))+"\n")
		file := broken("kek.yaml", func(c map[string]any) {
			c["keys"] = map[string]any{"active": "k1", "keks": []any{map[string]any{"id": "k1", "file": "kek2"}}}
		}, site.Serve)
		expect(t, 3, "PROBLEM key_encryption", "--config", file, "--ca", ca)
	})
	t.Run("no database yet", func(t *testing.T) {
		file := broken("new.yaml", func(c map[string]any) { c["database"] = map[string]any{"path": "new.db"} }, site.Serve)
		expect(t, 0, "warning database", "--config", file, "--ca", ca)
		if _, err := os.Stat(filepath.Join(site.Dir, "new.db")); err == nil {
			t.Error("the doctor made a database")
		}
	})
	t.Run("certificate of another name", func(t *testing.T) {
		site.CA.Server(t, keystest.DNS("elsewhere.test"), keystest.IP()).WriteFiles(t, site.Dir, "other")
		file := broken("name.yaml", func(c map[string]any) { c["tls"] = map[string]any{"certificate": "other.pem", "key": "other.key"} }, site.Serve)
		expect(t, 3, "PROBLEM server_name", "--config", file, "--ca", ca)
	})
	t.Run("a configuration that is none", func(t *testing.T) {
		file := broken("bad.yaml", func(c map[string]any) { c["audiense"] = "x"; c["leeway"] = "31s" }, site.ProxyCfg)
		found, text := examine(t, 3, "--config", file)
		if !slices.Contains(found, "PROBLEM configuration") || !strings.Contains(text, "audiense") || !strings.Contains(text, "31s") {
			t.Errorf("found %q\n%s", found, text)
		}
		if result := harness.Run(t, "doctor", "--config", "nowhere.yaml"); result.Code != 1 {
			t.Errorf("no file: code %d", result.Code)
		}
	})
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
