package admin

import (
	"bytes"
	"context"
	"strconv"
	"time"

	"github.com/gorilla/mux"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/certinfo"
	"github.com/certbound/certbound/authz/registration"
	"github.com/certbound/certbound/keys/trust"
	"github.com/certbound/certbound/storage"
)

// TrustBundleView is one version of a trust bundle as the API shows it.
type TrustBundleView struct {
	registration.TrustBundle
	BundleState
}

// BundleState is what has become of a version.
type BundleState struct {
	Version     int64     `json:"version"`
	Status      string    `json:"status" doc:"active or retired; proposed and rejected where a second administrator has to agree."`
	ContentHash string    `json:"content_hash" doc:"SHA-256 in hex over everything that decides which certificates are accepted."`
	CreatedBy   string    `json:"created_by,omitempty"`
	CreatedAt   time.Time `json:"created_at"`
}

// BundleSummary is a version in a list, without its certificates.
type BundleSummary struct {
	Name string `json:"name"`
	BundleState
}

// BundlePage is a page of trust bundles: of each the version in force, or the last.
type BundlePage struct {
	TrustBundles []BundleSummary `json:"trust_bundles"`
}

// BundleVersions is every version of one trust bundle, the first one first.
type BundleVersions struct {
	Versions []BundleSummary `json:"versions"`
}

// BundleAnswer is a version that was put in force, and what deserves a look.
type BundleAnswer struct {
	TrustBundleView
	Warnings []Warning `json:"warnings,omitempty"`
}

func viewBundle(b storage.TrustBundle) *TrustBundleView {
	return &TrustBundleView{
		registration.TrustBundle{
			Name: b.Name, Anchors: b.AnchorsPEM, Intermediates: b.IntermediatesPEM, Issuers: b.IssuersPEM,
			MaxDepth: b.MaxDepth, AllowPublicRoots: b.AllowPublicRoots,
		},
		BundleState{b.Version, string(b.Status), b.ContentHash, b.CreatedBy, b.CreatedAt},
	}
}

func summarize(b storage.TrustBundle) BundleSummary {
	return BundleSummary{b.Name, viewBundle(b).BundleState}
}

func (h *Handler) listBundles(c *call) (*answer, *refusal) {
	q, f := newQuery(c.Request, "limit", "after")
	if f != nil {
		return nil, f
	}
	return page(c, q,
		func(after string, limit int) ([]storage.TrustBundle, error) {
			return h.Store.TrustBundlesAfter(c.Context(), after, limit)
		},
		func(b *storage.TrustBundle) string { return b.Name },
		func(found []storage.TrustBundle) any { return BundlePage{views(found, summarize)} })
}

// current is the version in force, or the last one where none is.
func current(versions []storage.TrustBundle) (storage.TrustBundle, error) {
	if len(versions) == 0 {
		return storage.TrustBundle{}, storage.ErrNotFound
	}
	for _, b := range versions {
		if b.Status == storage.BundleActive {
			return b, nil
		}
	}
	return versions[len(versions)-1], nil
}

func (h *Handler) getBundle(c *call) (*answer, *refusal) {
	name, f := c.id()
	if f != nil {
		return nil, f
	}
	versions, err := h.Store.TrustBundleVersions(c.Context(), name)
	if err != nil {
		return nil, unavailable(err)
	}
	found, err := current(versions)
	if err != nil {
		return nil, unavailable(err)
	}
	view := viewBundle(found)
	return &answer{body: view, etag: etagOf(view)}, nil
}

func (h *Handler) listVersions(c *call) (*answer, *refusal) {
	name, f := c.id()
	if f != nil {
		return nil, f
	}
	versions, err := h.Store.TrustBundleVersions(c.Context(), name)
	if err == nil && len(versions) == 0 {
		err = storage.ErrNotFound
	}
	if err != nil {
		return nil, unavailable(err)
	}
	return &answer{body: BundleVersions{views(versions, summarize)}}, nil
}

func (h *Handler) getVersion(c *call) (*answer, *refusal) {
	name, f := c.id()
	if f != nil {
		return nil, f
	}
	versions, err := h.Store.TrustBundleVersions(c.Context(), name)
	if err != nil {
		return nil, unavailable(err)
	}
	for _, b := range versions {
		if strconv.FormatInt(b.Version, 10) == mux.Vars(c.Request)["version"] {
			view := viewBundle(b)
			return &answer{body: view, etag: etagOf(view)}, nil
		}
	}
	return nil, unavailable(storage.ErrNotFound)
}

// judged is the bundle that a body asks for, judged as of today.
func judged(c *call, b registration.TrustBundle, bad *invalid) (storage.TrustBundle, []Warning) {
	record, bundle, faults := b.Judged(c.now)
	bad.faults(faults)
	if bundle == nil {
		return record.Record, nil
	}
	record.Record.CreatedBy = c.caller.client.ID
	return record.Record, bundleWarningsOf(b, bundle, c.now)
}

// bundleEnds is how long before the end of an anchor an administrator is warned.
const bundleEnds = 30 * 24 * time.Hour

func bundleWarningsOf(b registration.TrustBundle, bundle *trust.Bundle, now time.Time) (all []Warning) {
	if b.AllowPublicRoots {
		all = append(all, Warning{Code: "public_ca", Text: "authorities are admitted that everybody can get a certificate from: the subject value alone tells a client from strangers"})
	}
	if b.Issuers == "" && hasRoot(b) {
		all = append(all, Warning{Code: "root_without_issuers", Text: "an anchor is a root and no issuers are named: every authority below it can issue for any client of this bundle"})
	}
	if end := bundle.AnchorsUntil(); end.Sub(now) < bundleEnds {
		all = append(all, Warning{Code: "anchor_expires_soon", Text: "an anchor ends at " + end.Format(time.RFC3339) + ": the clients below it are refused from then on"})
	}
	return all
}

func hasRoot(b registration.TrustBundle) bool {
	file, err := certinfo.Parse([]byte(b.Anchors))
	if err != nil {
		return false // trust has read it; comments are no hindrance to either
	}
	for _, anchor := range file.Certificates {
		if bytes.Equal(anchor.RawSubject, anchor.RawIssuer) {
			return true
		}
	}
	return false
}

func (h *Handler) createBundle(c *call) (*answer, *refusal) {
	var body registration.TrustBundle
	bad, f := h.read(c, &body)
	if f != nil {
		return nil, f
	}
	body.Name = orGenerated(body.Name)
	record, warnings := judged(c, body, &bad)
	if f := bad.refusal(); f != nil {
		return nil, f
	}
	return h.update(c, func(ctx context.Context, tx storage.Tx, a *answer) error {
		versions, err := tx.TrustBundleVersions(ctx, body.Name)
		if err != nil || len(versions) > 0 {
			return orConflict(err, taken{"/name", "is the name of another trust bundle; a new version of it is put there", body.Name})
		}
		view, err := h.putVersion(c, tx, a, record, nil, "")
		if err == nil {
			a.created("/admin/v1/trust-bundles/"+body.Name, BundleAnswer{*view, warnings}, etagOf(view))
		}
		return err
	})
}

// putVersion stores the next version of a bundle, puts it in force and records it.
func (h *Handler) putVersion(c *call, tx storage.Tx, a *answer, wanted storage.TrustBundle, before *TrustBundleView, reason string) (*TrustBundleView, error) {
	version, err := tx.PutTrustBundle(c.Context(), wanted)
	if err != nil {
		return nil, err
	}
	wanted.Version, wanted.Status = version, storage.BundleActive
	view, kind := viewBundle(wanted), audit.TrustBundleChanged
	a.change, a.trust = true, true
	more := []any{"trust_bundle", wanted.Name, "reason", reason}
	if before == nil {
		return view, h.record(c, tx, audit.TrustBundleCreated, storage.Client{}, nil, view.BundleState, more...)
	}
	return view, h.record(c, tx, kind, storage.Client{}, before.BundleState, view.BundleState, more...)
}

// presentBundle is the bundle that a change is about.
func presentBundle(ctx context.Context, tx storage.Tx, c *call, name string) ([]storage.TrustBundle, *TrustBundleView, error) {
	versions, err := tx.TrustBundleVersions(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	have, err := current(versions)
	if err != nil {
		return nil, nil, err
	}
	view := viewBundle(have)
	if f := c.matches(etagOf(view)); f != nil {
		return nil, nil, f
	}
	return versions, view, nil
}

// patchBundle puts a new version in force. Nothing of it is there before the whole is.
func (h *Handler) patchBundle(c *call) (*answer, *refusal) {
	name, f := c.id()
	if f != nil {
		return nil, f
	}
	patch, f := c.content()
	if f != nil {
		return nil, f
	}
	return h.update(c, func(ctx context.Context, tx storage.Tx, a *answer) error {
		_, before, err := presentBundle(ctx, tx, c, name)
		if err != nil {
			return err
		}
		var body registration.TrustBundle
		bad, f := h.merge(patch, before.TrustBundle, &body)
		if f != nil {
			return f
		}
		bad.stays("/name", name, body.Name)
		record, warnings := judged(c, body, &bad)
		if f := bad.refusal(); f != nil {
			return f
		}
		if record.ContentHash == before.ContentHash && before.Status == string(storage.BundleActive) {
			a.changed(before, BundleAnswer{*before, warnings}, etagOf(before), false)
			return nil
		}
		view, err := h.putVersion(c, tx, a, record, before, "")
		if err == nil {
			a.changed(before, BundleAnswer{*view, warnings}, etagOf(view), true)
		}
		return err
	})
}

// RollbackBody says which version a bundle goes back to.
type RollbackBody struct {
	Version int64  `json:"version" minimum:"1"`
	Reason  string `json:"reason,omitempty" maxLength:"200"`
}

// rollBack puts the content of an earlier version in force again, as a new version.
// The checks of the day are made again: what has expired since is no way back.
func (h *Handler) rollBack(c *call) (*answer, *refusal) {
	name, f := c.id()
	if f != nil {
		return nil, f
	}
	var body RollbackBody
	bad, f := h.read(c, &body)
	if f != nil {
		return nil, f
	}
	if registration.CheckName("reason", body.Reason) != nil {
		bad.at("/reason", "has control characters")
	}
	if f := bad.refusal(); f != nil {
		return nil, f
	}
	return h.update(c, func(ctx context.Context, tx storage.Tx, a *answer) error {
		versions, before, err := presentBundle(ctx, tx, c, name)
		if err != nil {
			return err
		}
		for _, old := range versions {
			if old.Version != body.Version {
				continue
			}
			var bad invalid
			record, warnings := judged(c, viewBundle(old).TrustBundle, &bad)
			if f := bad.refusal(); f != nil {
				return f
			}
			view, err := h.putVersion(c, tx, a, record, before, body.Reason)
			if err == nil {
				a.changed(before, BundleAnswer{*view, warnings}, etagOf(view), true)
			}
			return err
		}
		bad.at("/version", "is no version of this bundle")
		return bad.refusal()
	})
}

// retireBundle leaves no version in force: every client of the bundle is refused,
// with a reason of its own.
func (h *Handler) retireBundle(c *call) (*answer, *refusal) {
	name, f := c.id()
	if f != nil {
		return nil, f
	}
	reason, f := c.reason(true)
	if f != nil {
		return nil, f
	}
	return h.update(c, func(ctx context.Context, tx storage.Tx, a *answer) error {
		_, before, err := presentBundle(ctx, tx, c, name)
		if err != nil {
			return err
		}
		if before.Status != string(storage.BundleActive) {
			return conflicting([]taken{{"", "no version of the bundle is active", ""}})
		}
		if err := tx.RetireTrustBundle(ctx, name); err != nil {
			return err
		}
		after := *before
		after.Status = string(storage.BundleRetired)
		a.changed(before, BundleAnswer{TrustBundleView: after}, etagOf(after), true)
		a.trust = true
		return h.record(c, tx, audit.TrustBundleRetired, storage.Client{}, before.BundleState, after.BundleState, "trust_bundle", name, "reason", reason)
	})
}
