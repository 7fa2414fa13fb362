package storagetest

import (
	"context"
	"slices"
	"testing"

	"github.com/certbound/certbound/storage"
)

func testTrustBundles(t *testing.T, s storage.Store) {
	ctx := t.Context()
	if none := must[[]storage.TrustBundle](t)(s.TrustBundles(ctx)); none == nil || len(none) != 0 {
		t.Errorf("no bundles read as %#v, want an empty slice", none)
	}

	var want []storage.TrustBundle
	for _, put := range []struct {
		name, anchors string
		version       int64
	}{
		{"partners", "first", 1},
		{"globex", "first", 1},
		{"partners", "second", 2},
		{"partners", "first", 3}, // a roll-back is a new version too
	} {
		b := bundle(put.name, put.anchors)
		b.Version, b.Status = 99, storage.BundleRetired // neither is the caller's to choose
		do(t, s, func(tx storage.Tx) error {
			version, err := tx.PutTrustBundle(ctx, b)
			if version != put.version {
				t.Errorf("%s: got version %d, want %d", put.name, version, put.version)
			}
			return err
		})
		b.Version, b.Status, b.CreatedAt = put.version, storage.BundleActive, stored(0)
		want = append(want, b)
	}
	want[0].Status, want[2].Status = storage.BundleRetired, storage.BundleRetired
	want = []storage.TrustBundle{want[1], want[0], want[2], want[3]} // by name and version
	same(t, "bundles", must[[]storage.TrustBundle](t)(s.TrustBundles(ctx)), want)

	states := make([]storage.TrustBundle, len(want))
	for i, b := range want {
		states[i] = storage.TrustBundle{Name: b.Name, Version: b.Version, Status: b.Status, ContentHash: b.ContentHash}
	}
	same(t, "states of bundles", must[[]storage.TrustBundle](t)(s.TrustBundleStates(ctx)), states)

	same(t, "versions", must[[]storage.TrustBundle](t)(s.TrustBundleVersions(ctx, "partners")), want[1:])
	same(t, "versions of none", must[[]storage.TrustBundle](t)(s.TrustBundleVersions(ctx, "partner")), []storage.TrustBundle{})
	same(t, "in force", must[[]storage.TrustBundle](t)(s.TrustBundlesAfter(ctx, "", 10)), bare(want[0], want[3]))
	same(t, "in force, one", must[[]storage.TrustBundle](t)(s.TrustBundlesAfter(ctx, "", 1)), bare(want[0]))
	same(t, "in force after", must[[]storage.TrustBundle](t)(s.TrustBundlesAfter(ctx, "globex", 1)), bare(want[3:]...))
	if _, err := s.TrustBundlesAfter(ctx, "", 0); err == nil {
		t.Error("a list without limit")
	}

	do(t, s, func(tx storage.Tx) error { return tx.RetireTrustBundle(ctx, "globex") })
	want[0].Status = storage.BundleRetired
	same(t, "after one was retired", must[[]storage.TrustBundle](t)(s.TrustBundlesAfter(ctx, "", 10)), bare(want[0], want[3]))
	checkRefused(t, s, []refused{
		{"retired twice", func(ctx context.Context, tx storage.Tx) error { return tx.RetireTrustBundle(ctx, "globex") }, storage.ErrNotFound},
		{"retired, unknown", func(ctx context.Context, tx storage.Tx) error { return tx.RetireTrustBundle(ctx, "x") }, storage.ErrNotFound},
	})

	empty := bundle("empty", "")
	if err := s.Update(ctx, func(tx storage.Tx) error {
		_, err := tx.PutTrustBundle(ctx, empty)
		return err
	}); err == nil {
		t.Error("a bundle without anchors was accepted")
	}
	same(t, "bundles after a refused one", must[[]storage.TrustBundle](t)(s.TrustBundles(ctx)), want)
}

// bare are bundles as a list shows them, without certificates.
func bare(bundles ...storage.TrustBundle) []storage.TrustBundle {
	all := slices.Clone(bundles)
	for i := range all {
		all[i].AnchorsPEM, all[i].IntermediatesPEM, all[i].IssuersPEM = "", "", ""
	}
	return all
}
