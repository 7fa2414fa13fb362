package conformance

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certbound/certbound/conformance/internal/harness"
	"github.com/certbound/certbound/keys/keystest"
)

// office is a site with two administrators, admin and deputy, who call by command
// line.
type office struct {
	*harness.Site
	d      *harness.Dev
	server *harness.Process
	serve  string // its configuration
}

// as runs a command as an administrator.
func (o *office) as(t *testing.T, id string, args ...string) harness.Result {
	t.Helper()
	return harness.Run(t, append(args, "--server", o.d.Admin, "--ca", o.d.Path(o.d.CA),
		"--cert", filepath.Join(o.Dir, id+".pem"), "--key", filepath.Join(o.Dir, id+".key"), "--client-id", id)...)
}

// must is as for what has to go well; it returns both outputs.
func (o *office) must(t *testing.T, id string, args ...string) (stdout, stderr string) {
	t.Helper()
	result := o.as(t, id, args...)
	if result.Code != 0 {
		t.Fatalf("%s: certbound %s: exit code %d\n%s%s", id, strings.Join(args, " "), result.Code, result.Stdout, result.Stderr)
	}
	return result.Stdout, result.Stderr
}

// refuses expects a command to be refused by a reason.
func (o *office) refuses(t *testing.T, id, why string, args ...string) {
	t.Helper()
	if result := o.as(t, id, args...); result.Code != 2 || !strings.Contains(result.Stderr, why) {
		t.Errorf("%s: certbound %s: exit code %d, want %s\n%s%s", id, strings.Join(args, " "), result.Code, why, result.Stdout, result.Stderr)
	}
}

// start runs the server with a setting of admin.second_pair_of_eyes.
func (o *office) start(t *testing.T, pairs string, flags ...string) {
	t.Helper()
	o.Serve["admin"].(map[string]any)["second_pair_of_eyes"] = pairs
	o.d.Stderr = &harness.Log{}
	o.serve, _ = o.WriteConfigs(t)
	o.server = harness.StartProcess(t, o.d.Stderr, append([]string{"serve", "--config", o.serve}, flags...)...)
	waitListening(t, o.d, "admin")
	waitListening(t, o.d, "authz")
}

func (o *office) stop(t *testing.T) {
	t.Helper()
	if err := o.server.Stop(); err != nil {
		t.Fatal(err)
	}
}

// proposal is the one that a change has become.
func (o *office) proposal(t *testing.T, id string, args ...string) string {
	t.Helper()
	stdout, stderr := o.must(t, id, append(args, "-o", "json")...)
	var p struct{ ID, Status string }
	if err := json.Unmarshal([]byte(stdout), &p); err != nil || p.Status != "open" {
		t.Fatalf("no proposal: %s", stdout)
	}
	expectMentions(t, stderr, "not in force yet", "certbound trust approve "+p.ID)
	return p.ID
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{Site: harness.NewSite(t, newUpstream(t).URL)}
	delete(o.Serve, "seed")
	listen := harness.FreePort(t)
	o.Serve["admin"] = map[string]any{"listen": "127.0.0.1:" + listen}
	first, _ := keystest.SelfSigned(t, keystest.CommonName("admin")).WriteFiles(t, o.Dir, "admin")
	second, _ := keystest.SelfSigned(t, keystest.CommonName("deputy")).WriteFiles(t, o.Dir, "deputy")
	o.d = o.Dev()
	o.d.Admin, o.d.CA = "https://localhost:"+listen, "ca.pem"
	o.start(t, "none", "--bootstrap-admin", first)
	o.must(t, "admin", "partner", "create", "office")
	o.must(t, "admin", "client", "create", "deputy", "--partner", "office", "--self-signed", "--from-cert", second,
		"--scope", "admin:read,admin:write,admin:operate,admin:security")
	o.must(t, "admin", "trust", "create", "partners", "--anchors", anchorsFile(t, o.Partners))
	o.must(t, "admin", "partner", "create", "acme")
	o.must(t, "admin", "api", "create", "accounts", "--audience", o.Proxy, "--scope", "accounts:read")
	return o
}

// TestTwoPairsOfEyes: a change of a trust bundle that one administrator makes is
// nothing until another one approves it, and survives the death of the server.
func TestTwoPairsOfEyes(t *testing.T) {
	o := newOffice(t)
	o.stop(t)
	o.start(t, "trust_bundles")
	fresh := keystest.NewCA(t, "New authority")
	pair := fresh.Client(t, keystest.DNS("new.test"))
	file, _ := pair.WriteFiles(t, o.Dir, "new")
	o.must(t, "admin", "client", "create", "new", "--partner", "acme", "--bundle", "partners", "--scope", "accounts:read", "--from-cert", file)
	refused := func(when string) {
		t.Helper()
		if response := o.d.PostToken(t, &pair, harness.TokenForm("new")); response.Status != http.StatusUnauthorized {
			t.Fatalf("%s: %s", when, response)
		}
	}

	id := o.proposal(t, "admin", "trust", "update", "partners", "--anchors", anchorsFile(t, o.Partners, fresh))
	refused("proposed")
	o.refuses(t, "admin", "second_administrator_required", "trust", "approve", id)
	o.refuses(t, "admin", "second_administrator_required", "client", "create", "puppet", "--partner", "office", "--self-signed", "--from-cert", file, "--scope", "admin:security")
	o.server.Kill()
	o.start(t, "trust_bundles")
	refused("after the server was killed")
	listed, _ := o.must(t, "deputy", "trust", "proposals", "--status", "open")
	expectMentions(t, listed, id, "partners", "change", "admin")
	shown, _ := o.must(t, "deputy", "trust", "proposal", id, "-o", "json")
	expectMentions(t, shown, "BEGIN CERTIFICATE", `"base_version": 1`)
	o.must(t, "deputy", "trust", "approve", id, "--reason", "compared by telephone")
	if response := o.d.PostToken(t, &pair, harness.TokenForm("new")); response.Status != http.StatusOK {
		t.Fatalf("approved: %s", response)
	}
	o.refuses(t, "deputy", "proposal_over", "trust", "approve", id)
	events, _ := o.must(t, "admin", "audit", "export", "--kind", "trust_bundle.changed")
	expectMentions(t, events, `"actor":"deputy"`, `"proposed_by":"admin"`, `"approved_by":"deputy"`, `"proposal":"`+id+`"`)

	o.leavesTheSeed(t)

	// Without the setting one is enough; what waits is still nobody's own to approve.
	waits := o.proposal(t, "deputy", "trust", "retire", "partners", "--reason", "test")
	mine := o.proposal(t, "deputy", "trust", "create", "other", "--anchors", anchorsFile(t, fresh))
	o.must(t, "deputy", "trust", "withdraw", mine)
	o.stop(t)
	o.start(t, "none")
	if response := o.d.PostToken(t, &pair, harness.TokenForm("new")); response.Status != http.StatusOK {
		t.Errorf("a proposal was made true by a restart: %s", response)
	}
	o.refuses(t, "deputy", "second_administrator_required", "trust", "approve", waits)
	o.must(t, "deputy", "trust", "update", "partners", "--max-depth", "3")
	o.refuses(t, "admin", "proposal_outdated", "trust", "approve", waits)
	o.must(t, "admin", "trust", "reject", waits)
}

// leavesTheSeed: a seed that would change a trust bundle does not get past the two, at
// a start or at a reload.
func (o *office) leavesTheSeed(t *testing.T) {
	t.Helper()
	o.stop(t)
	seed := o.WriteJSON(t, "bundles.json", map[string]any{
		"trust_bundles": []map[string]any{{"name": "partners", "anchors": string(keystest.NewCA(t, "By seed").CertPEM())}},
	})
	text, err := os.ReadFile(o.serve)
	if err != nil {
		t.Fatal(err)
	}
	seeded := filepath.Join(o.Dir, "seeded.yaml")
	if err := os.WriteFile(seeded, []byte(strings.Replace(string(text), "{", `{ "seed": "bundles.json",`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	result := harness.Run(t, "serve", "--config", seeded)
	if result.Code != 1 || !strings.Contains(result.Stderr, filepath.Base(seed)+":") || !strings.Contains(result.Stderr, "admin.second_pair_of_eyes") {
		t.Errorf("a seed with another trust bundle: exit code %d\n%s", result.Code, result.Stderr)
	}
	o.start(t, "trust_bundles")
}
