package admin_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/certbound/certbound/authz/admin"
	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/internal/authztest"
	"github.com/certbound/certbound/authz/registration"
	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
)

// newAgreement is a world in which trust bundles take two administrators. Root and
// deputy may change them.
func newAgreement(t *testing.T) (w *world, root, deputy as) {
	t.Helper()
	w = newWorld(t, func(c *admin.Config) { c.SecondPairOfEyes = true })
	return w, w.as("root"), w.as("deputy")
}

const bundlesPath, proposalsPath = "/admin/v1/trust-bundles", "/admin/v1/trust-proposals"

func bundleBody(t *testing.T, name string, ca *keystest.CA) string {
	t.Helper()
	return text(t, registration.TrustBundle{Name: name, Anchors: string(ca.CertPEM())})
}

// proposed expects an answer to be a proposal, and returns it.
func proposed(t *testing.T, a authztest.Answer) admin.ProposalAnswer {
	t.Helper()
	p := decode[admin.ProposalAnswer](t, want(t, a, 202))
	if p.Status != "open" || len(p.ID) != 26 || a.Header.Get("Location") != proposalsPath+"/"+p.ID || a.Header.Get("ETag") == "" {
		t.Fatalf("proposed %v %s", a.Header, a.Body)
	}
	return p
}

// TestAgreement takes a new bundle, a change, a roll-back and a retirement through two
// pairs of eyes. Nothing is in force before the second.
func TestAgreement(t *testing.T) {
	w, root, deputy := newAgreement(t)
	first, second := keystest.NewCA(t, "First"), keystest.NewCA(t, "Second")
	version := func() int64 {
		t.Helper()
		a := root.get(bundlesPath + "/issuing")
		if a.Status == 404 {
			return 0
		}
		b := decode[admin.TrustBundleView](t, a)
		if b.Status != "active" {
			return -b.Version
		}
		return b.Version
	}
	for i, step := range []struct {
		action  string
		propose func() authztest.Answer
		want    int64 // version in force afterwards, negative when it is retired
		kind    audit.Kind
	}{
		{"create", func() authztest.Answer { return root.post(bundlesPath, bundleBody(t, "issuing", first)) }, 1, audit.TrustBundleCreated},
		{"change", func() authztest.Answer {
			return root.patch(bundlesPath+"/issuing", text(t, map[string]any{"anchors": string(second.CertPEM())}), "*")
		}, 2, audit.TrustBundleChanged},
		{"change", func() authztest.Answer {
			return root.post(bundlesPath+"/issuing/rollback", `{"version":1,"reason":"back"}`)
		}, 3, audit.TrustBundleChanged},
		{"retire", func() authztest.Answer { return root.post(bundlesPath+"/issuing/retire", `{"reason":"over"}`) }, -3, audit.TrustBundleRetired},
	} {
		before, trusted := version(), w.trusted.Load()
		p := proposed(t, step.propose())
		if p.Action != step.action || p.ProposedBy != "root" || (p.Proposed == nil) != (step.action == "retire") || p.BaseVersion != max(before, -before) {
			t.Errorf("%d: %+v", i, p)
		}
		w.wantProblem(t, root.post(proposalsPath+"/"+p.ID+"/approve", ""), 403, "second_administrator_required")
		w.wantProblem(t, w.as("writer").post(proposalsPath+"/"+p.ID+"/approve", ""), 403, "scope_insufficient")
		mustBe(t, deputy.post(proposalsPath+"/"+p.ID+"/approve?dry_run=true", ""), 200)
		w.wantProblem(t, deputy.do("POST", proposalsPath+"/"+p.ID+"/approve", "", "If-Match", `"x"`), 412, "record_stale")
		if now := version(); now != before || w.trusted.Load() != trusted {
			t.Fatalf("%d: version %d is in force before anybody agreed", i, now)
		}
		tag := want(t, deputy.get(proposalsPath+"/"+p.ID), 200).Header.Get("ETag")
		approved := decode[admin.ProposalAnswer](t, want(t, deputy.do("POST", proposalsPath+"/"+p.ID+"/approve", `{"reason":"seen"}`, "If-Match", tag), 200))
		if approved.Status != "approved" || approved.DecidedBy != "deputy" || approved.DecisionReason != "seen" || approved.Version != max(step.want, 0) {
			t.Errorf("%d: %+v", i, approved)
		}
		if now := version(); now != step.want || w.trusted.Load() == trusted {
			t.Errorf("%d: version %d, want %d", i, now, step.want)
		}
		w.wantProblem(t, deputy.post(proposalsPath+"/"+p.ID+"/approve", ""), 409, "proposal_over")
		events := w.Events(step.kind)
		last := events[0]
		if last.Actor != "deputy" || !strings.Contains(last.Detail, `"proposed_by":"root"`) || !strings.Contains(last.Detail, `"approved_by":"deputy"`) {
			t.Errorf("%d: %+v", i, last)
		}
	}
	if created := decode[admin.TrustBundleView](t, root.get(bundlesPath+"/issuing/versions/1")); created.CreatedBy != "root" {
		t.Errorf("made by %s", created.CreatedBy)
	}
	for kind, actor := range map[audit.Kind]string{audit.ProposalCreated: "root", audit.ProposalApproved: "deputy"} {
		if events := w.Events(kind); len(events) != 4 || events[0].Actor != actor {
			t.Errorf("%s: %+v", kind, events)
		}
	}
}

// TestProposalsThatEnd: withdrawn, rejected, expired, outdated by another change or by
// the end of who proposed it, or of a certificate in it.
func TestProposalsThatEnd(t *testing.T) {
	w := newWorld(t, func(c *admin.Config) { c.SecondPairOfEyes, c.ProposalLifetime = true, 5*time.Hour })
	root, deputy := w.as("root"), w.as("deputy")
	soon := keystest.NewCA(t, "Soon", keystest.Validity(w.Clock().Add(-time.Hour), w.Clock().Add(2*time.Hour)))
	propose := func(name string) string { return proposed(t, root.post(bundlesPath, bundleBody(t, name, soon))).ID }
	status := func(id, want string, outdated bool) {
		t.Helper()
		if p := decode[admin.ProposalView](t, root.get(proposalsPath+"/"+id)); p.Status != want || p.Outdated != outdated {
			t.Errorf("%s, outdated %t; want %s", p.Status, p.Outdated, want)
		}
	}
	withdrawn, rejected, twin, stale, late := propose("a"), propose("a"), propose("a"), propose("a"), propose("late")
	mustBe(t, root.post(proposalsPath+"/"+withdrawn+"/reject", `{"reason":"mistake"}`), 200)
	status(withdrawn, "withdrawn", false)
	mustBe(t, deputy.post(proposalsPath+"/"+rejected+"/reject", ""), 200)
	status(rejected, "rejected", false)
	w.wantProblem(t, deputy.post(proposalsPath+"/"+withdrawn+"/approve", ""), 409, "proposal_over")
	w.wantProblem(t, root.post(proposalsPath+"/"+rejected+"/reject", ""), 409, "proposal_over")
	w.wantProblem(t, deputy.post(proposalsPath+"/none/approve", ""), 404, "record_unknown")

	mustBe(t, deputy.post(proposalsPath+"/"+twin+"/approve", ""), 200)
	status(stale, "open", true)
	w.wantProblem(t, deputy.post(proposalsPath+"/"+stale+"/approve", ""), 409, "proposal_outdated")
	if list := want(t, root.get(proposalsPath+"?status=open&trust_bundle=a"), 200); !strings.Contains(list.Body, `"outdated":true`) || strings.Contains(list.Body, "CERTIFICATE") {
		t.Errorf("listed %s", list.Body)
	}
	w.wantProblem(t, root.get(proposalsPath+"?status=pending"), 422, "input_invalid")

	w.Update(func(ctx context.Context, tx storage.Tx) error {
		client, err := tx.Client(ctx, "root")
		if err != nil {
			return err
		}
		client.Scopes = []string{admin.ScopeRead}
		return tx.UpdateClient(ctx, client)
	})
	w.wantProblem(t, deputy.post(proposalsPath+"/"+late+"/approve", ""), 409, "proposal_outdated")
	w.Update(func(ctx context.Context, tx storage.Tx) error {
		client, err := tx.Client(ctx, "root")
		if err != nil {
			return err
		}
		client.Scopes = admin.Scopes()
		return tx.UpdateClient(ctx, client)
	})

	w.Advance(3 * time.Hour) // beyond the certificate
	root, deputy = w.as("root"), w.as("deputy")
	ended := deputy.post(proposalsPath+"/"+late+"/approve", "")
	w.wantProblem(t, ended, 409, "proposal_outdated")
	if !strings.Contains(ended.Body, `"/anchors"`) {
		t.Errorf("what is wrong: %s", ended.Body)
	}
	w.Advance(3 * time.Hour) // beyond the proposal
	root, deputy = w.as("root"), w.as("deputy")
	status(late, "expired", false)
	w.wantProblem(t, deputy.post(proposalsPath+"/"+late+"/approve", ""), 409, "proposal_over")
	w.wantProblem(t, deputy.post(proposalsPath+"/"+late+"/reject", ""), 409, "proposal_over")
}

// TestProposalOnce: the same request is one proposal, and of many approvals one counts.
func TestProposalOnce(t *testing.T) {
	w, root, deputy := newAgreement(t)
	body := bundleBody(t, "once", keystest.NewCA(t, "Once"))
	one := root.do("POST", bundlesPath, body, "Idempotency-Key", "k")
	again := root.do("POST", bundlesPath, body, "Idempotency-Key", "k")
	id := proposed(t, one).ID
	if proposed(t, again).ID != id || again.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("%v %s", again.Header, again.Body)
	}
	dry := want(t, root.post(bundlesPath+"?dry_run=true", bundleBody(t, "tried", keystest.NewCA(t, "Tried"))), 200)
	if !strings.Contains(dry.Body, `"version":1`) {
		t.Errorf("a dry run shows the change: %s", dry.Body)
	}
	if all := decode[admin.ProposalPage](t, root.get(proposalsPath)); len(all.Proposals) != 1 {
		t.Errorf("%+v", all)
	}
	var mu sync.Mutex
	outcomes := map[int]int{}
	var work sync.WaitGroup
	for range 8 {
		work.Go(func() {
			a := deputy.insist("POST", proposalsPath+"/"+id+"/approve", "")
			mu.Lock()
			defer mu.Unlock()
			outcomes[a.Status]++
		})
	}
	work.Wait()
	if outcomes[200] != 1 || outcomes[409] != 7 {
		t.Errorf("outcomes %v", outcomes)
	}
	if events := w.Events(audit.TrustBundleCreated); len(events) != 1 {
		t.Errorf("%+v", events)
	}
}

// TestProposalsAreBounded: nobody fills the database with what waits.
func TestProposalsAreBounded(t *testing.T) {
	w, root, _ := newAgreement(t)
	w.Update(func(ctx context.Context, tx storage.Tx) error {
		for i := range 100 {
			err := tx.CreateTrustProposal(ctx, storage.TrustProposal{
				ID: strings.Repeat("x", i+1), Action: storage.CreateBundle, Bundle: storage.TrustBundle{Name: "b", ContentHash: "h", AnchorsPEM: "pem"},
				ProposedBy: "root", CreatedAt: w.Clock(), ExpiresAt: w.Clock().Add(time.Hour),
			}, time.Unix(0, 0))
			if err != nil {
				return err
			}
		}
		return nil
	})
	w.wantProblem(t, root.post(bundlesPath, bundleBody(t, "more", keystest.NewCA(t, "More"))), 409, "conflict")
	page := want(t, root.get(proposalsPath+"?limit=60"), 200)
	if next := page.Header.Get("Link"); len(decode[admin.ProposalPage](t, page).Proposals) != 60 || !strings.Contains(next, "after=") {
		t.Errorf("page %s", next)
	}
}

// TestNobodyMakesTheOther: an administrator cannot make a second self who agrees, and
// can still change what is only his.
func TestNobodyMakesTheOther(t *testing.T) {
	w, root, deputy := newAgreement(t)
	puppet := keystest.SelfSigned(t, keystest.CommonName("puppet"), keystest.Validity(w.Clock().Add(-time.Hour), w.Clock().AddDate(0, 1, 0)))
	body := selfSigned(t, "puppet", puppet)
	officer := strings.Replace(body, `{`, `{"scope":"admin:read admin:security",`, 1)
	w.wantProblem(t, root.post("/admin/v1/clients", officer), 403, "second_administrator_required")
	mustBe(t, root.post("/admin/v1/clients", body), 201)
	w.wantProblem(t, root.patch("/admin/v1/clients/puppet", `{"scope":"admin:security"}`, "*"), 403, "second_administrator_required")
	w.wantProblem(t, root.patch("/admin/v1/clients/deputy", `{"tls_client_auth_san_dns":"puppet.example"}`, "*"), 403, "second_administrator_required")
	pem := text(t, map[string]string{"certificate": string(puppet.CertPEM())})
	w.wantProblem(t, deputy.post("/admin/v1/clients/root/certificates", pem), 403, "second_administrator_required")
	mine := keystest.SelfSigned(t, keystest.CommonName("root"), keystest.Validity(w.Clock().Add(-time.Hour), w.Clock().AddDate(0, 1, 0)))
	mustBe(t, root.post("/admin/v1/clients/root/certificates", text(t, map[string]string{"certificate": string(mine.CertPEM())})), 201)
	mustBe(t, deputy.patch("/admin/v1/clients/deputy", `{"client_name":"Deputy"}`, "*"), 200)
	mustBe(t, root.post("/admin/v1/clients/deputy/disable", `{"reason":"left"}`), 200)
	if _, err := w.Store.Certificate(t.Context(), thumbprint.Of(mine.Cert)); err != nil {
		t.Error(err)
	}
}

// TestProposalsOutliveTheSetting: with the setting off again one administrator is
// enough, what waits can still be approved by another, and is outdated by what one did.
func TestProposalsOutliveTheSetting(t *testing.T) {
	w, root, _ := newAgreement(t)
	kept := proposed(t, root.post(bundlesPath, bundleBody(t, "kept", keystest.NewCA(t, "Kept")))).ID
	overtaken := proposed(t, root.post(bundlesPath, bundleBody(t, "overtaken", keystest.NewCA(t, "Overtaken")))).ID
	w.serve(t, func(c *admin.Config) { c.SecondPairOfEyes = false })
	root = w.as("root")
	deputy := w.as("deputy")
	mustBe(t, root.post(bundlesPath, bundleBody(t, "overtaken", keystest.NewCA(t, "Mine"))), 201)
	w.wantProblem(t, root.post(proposalsPath+"/"+kept+"/approve", ""), 403, "second_administrator_required")
	w.wantProblem(t, deputy.post(proposalsPath+"/"+overtaken+"/approve", ""), 409, "proposal_outdated")
	mustBe(t, deputy.post(proposalsPath+"/"+kept+"/approve", ""), 200)
}
