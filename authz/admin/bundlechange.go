package admin

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/orphans"
	"github.com/certbound/certbound/storage"
)

// bundleChange is what is to become of a trust bundle.
type bundleChange struct {
	action   storage.BundleAction
	wanted   storage.TrustBundle // the next version; of one that is to be retired only the name
	before   *TrustBundleView    // nil where there is no bundle yet
	reason   string
	warnings []Warning
	agreed   *storage.TrustProposal // what two administrators have agreed on; nil: one decides
}

// changeBundle makes the change or, where a second administrator has to agree, a
// proposal of it. A dry run shows the change itself.
func (h *Handler) changeBundle(c *call, tx storage.Tx, a *answer, change bundleChange) error {
	if h.SecondPairOfEyes && !c.dryRun {
		return h.propose(c, tx, a, change)
	}
	made, err := h.makeChange(c, tx, change)
	if err != nil {
		return err
	}
	a.body, a.etag, a.change, a.trust = *made, bundles.tag(&made.TrustBundleView), true, true
	if change.before == nil {
		a.status, a.location = http.StatusCreated, bundles.path+"/"+url.PathEscape(made.Name)
		return nil
	}
	a.before = change.before
	return nil
}

// makeChange puts a version in force, or out of it, ends the tokens of the
// certificates that lose their authority, and records it.
func (h *Handler) makeChange(c *call, tx storage.Tx, change bundleChange) (*BundleAnswer, error) {
	ctx, made, out := c.Context(), change.wanted, outcome{reason: change.reason}
	var ended orphans.Ended
	var err error
	if change.before != nil {
		out.before = change.before.BundleState
	}
	if change.action == storage.RetireBundle {
		ended, err = orphans.Retire(ctx, tx, made.Name, c.now)
	} else {
		_, ended, err = orphans.Put(ctx, tx, made, c.now)
	}
	if err != nil {
		return nil, err
	}
	stored, err := findBundle(c, tx, made.Name)
	if err != nil {
		return nil, err
	}
	view := viewBundle(stored.TrustBundle)
	out.kind, out.after, out.more = change.kind(), view.BundleState, change.told(c, ended)
	answer := &BundleAnswer{TrustBundleView: *view, ClientsEnded: len(ended.Clients), Warnings: append(change.warnings, unjudged(ended)...)}
	return answer, h.record(c, tx, subject{name: "trust_bundle", value: view.Name}, out)
}

func (b *bundleChange) kind() audit.Kind {
	switch {
	case b.action == storage.RetireBundle:
		return audit.TrustBundleRetired
	case b.before == nil:
		return audit.TrustBundleCreated
	}
	return audit.TrustBundleChanged
}

// maxNamed bounds the clients that an audit event names.
const maxNamed = 100

// told is what else the event says: who agreed, and whose tokens ended.
func (b *bundleChange) told(c *call, ended orphans.Ended) map[string]any {
	more := map[string]any{}
	if p := b.agreed; p != nil {
		more["proposal"], more["proposed_by"], more["approved_by"] = p.ID, p.ProposedBy, c.caller.client.ID
	}
	if n := len(ended.Clients); n > 0 {
		more["clients_ended"], more["clients"] = n, ended.Clients[:min(n, maxNamed)]
	}
	return more
}

// unjudged warns of tokens that were ended unseen.
func unjudged(ended orphans.Ended) []Warning {
	if ended.Unjudged == 0 {
		return nil
	}
	return []Warning{{Code: "tokens_ended_unseen", Text: fmt.Sprintf("more certificates are in use than are looked at one by one: the tokens of the clients of the last %d have ended, be they accepted or not; they get new ones", ended.Unjudged)}}
}
