package admin

import (
	"bytes"
	"slices"
	"strconv"
	"time"

	"github.com/gorilla/mux"

	"github.com/certbound/certbound/authz/admin/etag"
	"github.com/certbound/certbound/authz/admin/listing"
	"github.com/certbound/certbound/authz/admin/refusal"
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
	Status      string    `json:"status" doc:"active or retired."`
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
	ClientsEnded int       `json:"clients_ended,omitempty" doc:"How many clients lose the tokens they hold: a certificate with which they got one within about an hour is no longer accepted."`
	Warnings     []Warning `json:"warnings,omitempty"`
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

// bundle is all versions of one trust bundle, and the one that is shown for it.
type bundle struct {
	storage.TrustBundle // the version in force, or the last one where none is
	versions            []storage.TrustBundle
}

func findBundle(c *call, from storage.Reader, name string) (bundle, error) {
	versions, err := from.TrustBundleVersions(c.Context(), name)
	if err != nil {
		return bundle{}, err
	}
	if len(versions) == 0 {
		return bundle{}, storage.ErrNotFound
	}
	shown := slices.IndexFunc(versions, func(b storage.TrustBundle) bool { return b.Status == storage.BundleActive })
	if shown < 0 {
		shown = len(versions) - 1
	}
	return bundle{versions[shown], versions}, nil
}

// version is the one of that number.
func (b bundle) version(number int64) (storage.TrustBundle, bool) {
	i := slices.IndexFunc(b.versions, func(v storage.TrustBundle) bool { return v.Version == number })
	if i < 0 {
		return storage.TrustBundle{}, false
	}
	return b.versions[i], true
}

var bundles = collection[bundle, *TrustBundleView]{
	path: "/admin/v1/trust-bundles",
	find: findBundle,
	view: func(_ *call, b bundle) *TrustBundleView { return viewBundle(b.TrustBundle) },
}

var listBundles = list(nil,
	func(c *call, from storage.Reader, q *listing.Query, limit int) ([]storage.TrustBundle, error) {
		return from.TrustBundlesAfter(c.Context(), q.Text("after"), limit)
	},
	func(b *storage.TrustBundle) string { return b.Name }, summarize,
	func(all []BundleSummary) any { return BundlePage{all} })

func listVersions(h *Handler, c *call) (*answer, error) {
	name, err := c.id()
	if err != nil {
		return nil, err
	}
	if err := noQuery(c); err != nil {
		return nil, err
	}
	found, err := findBundle(c, h.Store, name)
	if err != nil {
		return nil, err
	}
	return &answer{body: BundleVersions{views(found.versions, summarize)}}, nil
}

func getVersion(h *Handler, c *call) (*answer, error) {
	name, err := c.id()
	if err != nil {
		return nil, err
	}
	found, err := findBundle(c, h.Store, name)
	if err != nil {
		return nil, err
	}
	text := mux.Vars(c.Request)["version"]
	number, err := strconv.ParseInt(text, 10, 64)
	version, ok := found.version(number)
	if err != nil || !ok || strconv.FormatInt(number, 10) != text {
		return nil, storage.ErrNotFound
	}
	view := viewBundle(version)
	return &answer{body: view, etag: etag.Of(view)}, nil
}

// judged is the bundle that a body asks for, judged as of today.
func judged(c *call, body registration.TrustBundle, bad *refusal.Invalid) (storage.TrustBundle, []Warning) {
	record, known, faults := body.Judged(c.now)
	bad.Faults(faults)
	if known == nil {
		return record.Record, nil
	}
	record.Record.CreatedBy = c.caller.client.ID
	return record.Record, bundleWarnings(body, known, c.now)
}

// bundleEnds is how long before the end of an anchor an administrator is warned.
const bundleEnds = 30 * 24 * time.Hour

// bundleWarnings are about what of a bundle deserves a look.
func bundleWarnings(b registration.TrustBundle, bundle *trust.Bundle, now time.Time) (all []Warning) {
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
