package foreign

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/conformance/clause"
	"github.com/certbound/certbound/conformance/internal/forge"
	"github.com/certbound/certbound/conformance/internal/harness"
	"github.com/certbound/certbound/keys/keystest"
)

// Where Debian's apache2-bin and libapache2-mod-oauth2 put the program and its
// modules.
const (
	apacheProgram = "/usr/sbin/apache2"
	apacheModules = "/usr/lib/apache2/modules"
)

// tokenLifetime is short, because a test waits for the end of a token.
const tokenLifetime = 12 * time.Second

// meetResourceServers brings our tokens to Apache with mod_oauth2.
func meetResourceServers(t *testing.T, page *table) {
	clause.Covers(t, "RFC8705-3-1-a")
	t.Run("Apache with mod_oauth2", func(t *testing.T) {
		path := keystest.Program(t, apacheProgram)
		if _, err := os.Stat(filepath.Join(apacheModules, "mod_oauth2.so")); err != nil {
			keystest.Absent(t, "libapache2-mod-oauth2")
		}
		d := harness.Start(t, "--token-lifetime", tokenLifetime.String())
		upstream := newAPI(t)
		rs, log := startApache(t, path, d, upstream.URL)
		cells := playResourceServer(t, d, rs, upstream)
		page.saw("Apache with mod_oauth2", apacheVersion(t, log), false, cells...)
	})
}

// startApache runs Apache in the foreground, and returns our way to talk to it and
// its log. testdata/apache/apache.conf reads its settings from the environment.
func startApache(t *testing.T, path string, d *harness.Dev, upstream string) (*harness.Dev, *harness.Log) {
	t.Helper()
	dir := t.TempDir()
	ca := keystest.NewCA(t, "apache")
	ca.Server(t).WriteFiles(t, dir, "server")
	port := harness.FreePort(t)
	config, err := filepath.Abs("testdata/apache/apache.conf")
	if err != nil {
		t.Fatal(err)
	}
	site := &harness.Site{Dir: dir, CA: ca, Issuer: d.Issuer, Proxy: "https://localhost:" + port}
	s := start(t, environment("DIR="+dir, "PORT="+port, "MODULES="+apacheModules, "UPSTREAM="+upstream,
		"ISSUER="+d.Issuer, "AUDIENCE="+d.Audience, "JWKS="+plainKeys(t, d)), path, "-DFOREGROUND", "-f", config)
	s.wait(t, func() bool {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return site.Dev(), &s.log
}

// plainKeys passes certbound's key set on over HTTP: mod_oauth2 as Debian has it
// trusts the system's roots for its jwks_uri and no others, and a test does not
// change those.
func plainKeys(t *testing.T, d *harness.Dev) string {
	t.Helper()
	client := d.HTTPClient(t, nil, nil)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		resp, err := client.Get(d.JWKSURI)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
		_, _ = io.Copy(w, resp.Body)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/jwks.json"
}

// playResourceServer uses a token in the right hands and in the wrong ones, and
// after its end.
func playResourceServer(t *testing.T, d, rs *harness.Dev, upstream *api) []string {
	acme, mallory, edge := d.Pair(t, "acme-billing"), d.Pair(t, "mallory-app"), d.Pair(t, "acme-edge")
	token := d.Token(t, &acme, harness.TokenForm("acme-billing")).AccessToken
	several := d.Token(t, &edge, harness.TokenForm("acme-edge")).AccessToken
	writes := d.Token(t, &edge, harness.TokenForm("acme-edge", "scope", "accounts:write")).AccessToken
	// A verdict that is kept must not be given to others: the good call comes before
	// the bad ones with the same token, and after them.
	var cells []string
	for i, c := range []struct {
		name, token string
		pair        *keystest.Pair
		status      int
	}{
		{"its own certificate", token, &acme, http.StatusOK},
		{"another client's of the same CA", token, &mallory, http.StatusUnauthorized},
		{"no certificate", token, nil, http.StatusUnauthorized},
		{"another scope", writes, &edge, http.StatusUnauthorized},
		{"several scopes", several, &edge, http.StatusOK},
		{"its own certificate again", token, &acme, http.StatusOK},
	} {
		before := len(upstream.hits())
		resp := rs.CallAPI(t, c.pair, c.token)
		reached := len(upstream.hits()) - before
		if resp.Status != c.status || (reached == 1) != (c.status == http.StatusOK) {
			t.Errorf("%s: %s, want %d; the API was reached %d times", c.name, resp, c.status, reached)
		}
		if i < 4 {
			cells = append(cells, fmt.Sprint(resp.Status))
		}
	}
	waitForEnd(t, token)
	resp := rs.CallAPI(t, &acme, token)
	if resp.Status != http.StatusUnauthorized {
		t.Errorf("after its end: %s", resp)
	}
	return append(cells, fmt.Sprint(resp.Status))
}

// waitForEnd returns when the token has been over for longer than the verdict on
// it is kept.
func waitForEnd(t *testing.T, token string) {
	t.Helper()
	_, payload, err := forge.Decode(token)
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Expiry int64 `json:"exp"`
	}
	if err := json.Unmarshal([]byte(payload), &claims); err != nil {
		t.Fatal(err)
	}
	<-time.After(time.Until(time.Unix(claims.Expiry+2, 0)))
}

// apacheVersion reads the versions of server and module from the log.
func apacheVersion(t *testing.T, log *harness.Log) string {
	t.Helper()
	text := log.String()
	_, server, _ := strings.Cut(text, "Apache/")
	_, module, found := strings.Cut(text, "mod_oauth2-")
	if !found {
		t.Fatalf("the log names no versions\n%s", text)
	}
	return strings.Fields(server)[0] + ", mod_oauth2 " + strings.ReplaceAll(strings.Fields(module)[0], "-", " ")
}
