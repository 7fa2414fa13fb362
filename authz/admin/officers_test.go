package admin_test

import (
	"encoding/hex"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/certbound/certbound/authz/admin"
	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/internal/authztest"
	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/keys/thumbprint"
)

// TestNobodyBringsBackTheOther: who was disabled, locked out, or whose certificate was
// retired, is no second administrator by the word of one. Taking away takes one.
func TestNobodyBringsBackTheOther(t *testing.T) {
	w, root, deputy := newAgreement(t)
	const needed = "second_administrator_required"

	mine := keystest.SelfSigned(t, keystest.CommonName("root"), keystest.Validity(w.Clock().Add(-time.Hour), w.Clock().AddDate(0, 1, 0)))
	mustBe(t, root.post("/admin/v1/clients/root/certificates", text(t, map[string]string{"certificate": string(mine.CertPEM())})), 201)
	retire := "/admin/v1/certificates/" + thumbprint.Of(mine.Cert).String() + "/retire"
	until := func(d time.Duration) string {
		return text(t, map[string]string{"retire_at": w.Clock().Add(d).Format(time.RFC3339)})
	}
	mustBe(t, deputy.post(retire, until(time.Hour)), 200)
	mustBe(t, deputy.post(retire, until(time.Minute)), 200)
	w.wantProblem(t, deputy.post(retire, until(time.Hour)), 403, needed)
	w.wantProblem(t, deputy.post(retire, until(365*24*time.Hour)), 403, needed)
	mustBe(t, root.post(retire, until(365*24*time.Hour)), 200)

	mustBe(t, root.post("/admin/v1/partners/acme/lockout", `{"reason":"theft"}`), 200)
	w.wantProblem(t, root.post("/admin/v1/partners/acme/restore", ""), 403, needed)
	mustBe(t, root.patch("/admin/v1/partners/acme", `{"disabled":true}`, "*"), 200)
	mustBe(t, root.patch("/admin/v1/partners/acme", `{"disabled":false}`, "*"), 200) // locked out all the same
	w.wantProblem(t, root.post("/admin/v1/partners/acme/restore?dry_run=true", ""), 403, needed)

	mustBe(t, root.post("/admin/v1/clients/deputy/disable", `{"reason":"left"}`), 200)
	w.wantProblem(t, root.post("/admin/v1/clients/deputy/enable", ""), 403, needed)
	mustBe(t, root.post("/admin/v1/clients/client-a/disable", ""), 200)
	mustBe(t, root.post("/admin/v1/clients/client-a/enable", ""), 200)
	mustBe(t, root.post("/admin/v1/partners/acme/restore", ""), 200) // deputy stays disabled
	w.serve(t, func(c *admin.Config) { c.SecondPairOfEyes = false })
	mustBe(t, w.as("root").post("/admin/v1/clients/deputy/enable", ""), 200)
}

// TestProposalShowsWhatChanges: certificates by their fingerprints, whatever the PEM
// says of them, and settings; the same before and after the decision.
func TestProposalShowsWhatChanges(t *testing.T) {
	w, root, deputy := newAgreement(t)
	kept, gone, come := keystest.NewCA(t, "Kept"), keystest.NewCA(t, "Gone"), keystest.NewCA(t, "Gone")
	pem := func(cas ...*keystest.CA) (all string) {
		for _, ca := range cas {
			all += "# Kept, SHA-256 00\n" + string(ca.CertPEM())
		}
		return all
	}
	fingerprint := func(ca *keystest.CA) string {
		sum := thumbprint.Of(ca.Cert)
		return hex.EncodeToString(sum[:])
	}
	agree := func(answer authztest.Answer, added, removed []*keystest.CA, settings ...admin.SettingChange) {
		t.Helper()
		made := proposed(t, answer)
		shown := want(t, deputy.get(proposalsPath+"/"+made.ID), 200)
		approved := decode[admin.ProposalAnswer](t, want(t, deputy.do("POST", proposalsPath+"/"+made.ID+"/approve", "", "If-Match", answer.Header.Get("ETag")), 200))
		again := decode[admin.ProposalView](t, deputy.get(proposalsPath+"/"+made.ID))
		for _, d := range []*admin.BundleDifference{made.Difference, decode[admin.ProposalView](t, shown).Difference, approved.Difference, again.Difference} {
			if len(d.Added) != len(added) || len(d.Removed) != len(removed) || len(d.Settings) != len(settings) {
				t.Fatalf("%+v", d)
			}
			for i, ca := range added {
				if a := d.Added[i]; a.SHA256 != fingerprint(ca) || a.As != "anchor" || a.Subject != "CN="+ca.Cert.Subject.CommonName || !a.NotAfter.Equal(ca.Cert.NotAfter) {
					t.Errorf("added %+v", a)
				}
			}
			for i, ca := range removed {
				if d.Removed[i].SHA256 != fingerprint(ca) {
					t.Errorf("removed %+v", d.Removed[i])
				}
			}
			for i := range settings {
				if d.Settings[i] != settings[i] {
					t.Errorf("%+v", d.Settings)
				}
			}
		}
	}
	both := []*keystest.CA{kept, gone}
	agree(root.post(bundlesPath, text(t, map[string]any{"name": "issuing", "anchors": pem(both...)})), both, nil)
	agree(root.patch(bundlesPath+"/issuing", text(t, map[string]any{"anchors": pem(come, kept), "max_depth": 2, "allow_public_roots": true}), "*"),
		[]*keystest.CA{come}, []*keystest.CA{gone}, admin.SettingChange{Setting: "max_depth", Before: "0", After: "2"}, admin.SettingChange{Setting: "allow_public_roots", Before: "false", After: "true"})
	agree(root.post(bundlesPath+"/issuing/retire", `{"reason":"over"}`), nil, []*keystest.CA{come, kept})
	agree(root.post(bundlesPath+"/issuing/rollback", `{"version":1}`), both, nil) // nothing was in force
	w.wantProblem(t, w.as("operator").post(proposalsPath+"/none/approve", ""), 403, "scope_insufficient")
}

// TestProposalIsDecidedOnce: of an approval, a rejection and a withdrawal at the same
// time one counts, and the bundle, the record and the trail say which.
func TestProposalIsDecidedOnce(t *testing.T) {
	w, root, deputy := newAgreement(t)
	body := bundleBody(t, "raced", keystest.NewCA(t, "Raced"))
	approvals := 0
	for round := range 25 {
		name := "raced" + strings.Repeat("x", round)
		id := proposed(t, root.post(bundlesPath, strings.Replace(body, `"raced"`, `"`+name+`"`, 1))).ID
		var mu sync.Mutex
		var work sync.WaitGroup
		won := []string{}
		for _, one := range []struct {
			who  as
			verb string
		}{{deputy, "approve"}, {root, "reject"}, {deputy, "reject"}, {deputy, "approve"}} {
			work.Go(func() {
				if a := one.who.insist("POST", proposalsPath+"/"+id+"/"+one.verb, ""); a.Status == 200 {
					mu.Lock()
					defer mu.Unlock()
					won = append(won, decode[admin.ProposalAnswer](t, a).Status)
				}
			})
		}
		work.Wait()
		now := decode[admin.ProposalView](t, root.get(proposalsPath+"/"+id))
		there := root.get(bundlesPath+"/"+name).Status == 200
		if len(won) != 1 || now.Status != won[0] || there != (won[0] == "approved") {
			t.Fatalf("round %d: won %v, is %s, bundle there: %t", round, won, now.Status, there)
		}
		if there {
			approvals++
		}
	}
	if created := len(w.Events(audit.TrustBundleCreated)); created != approvals || len(w.Events(audit.ProposalApproved)) != approvals {
		t.Errorf("%d approvals, %d bundles in the trail", approvals, created)
	}
}
