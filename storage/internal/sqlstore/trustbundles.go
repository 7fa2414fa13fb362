package sqlstore

import (
	"context"

	"github.com/certbound/certbound/storage"
)

// TrustBundles implements storage.TrustBundleReader.
func (r reader) TrustBundles(ctx context.Context) ([]storage.TrustBundle, error) {
	return list(ctx, r, selectBundle+`ORDER BY v.name, v.version`, nil, scanBundle)
}

// TrustBundleVersions implements storage.TrustBundleReader.
func (r reader) TrustBundleVersions(ctx context.Context, name string) ([]storage.TrustBundle, error) {
	return list(ctx, r, selectBundle+`WHERE v.name = $1 ORDER BY v.version`, []any{name}, scanBundle)
}

// TrustBundlesAfter implements storage.TrustBundleReader.
func (r reader) TrustBundlesAfter(ctx context.Context, name string, limit int) ([]storage.TrustBundle, error) {
	if err := positive("trust bundles", limit); err != nil {
		return nil, err
	}
	return list(ctx, r, `
		SELECT v.name, v.version, v.status, v.content_hash, '', '', '', v.max_depth, v.allow_public_roots, v.created_by, v.created_at
		FROM trust_bundle_versions v
		JOIN trust_bundles b ON b.name = v.name
		WHERE b.name > $1 AND v.version = coalesce(
			(SELECT a.version FROM trust_bundle_versions a WHERE a.name = b.name AND a.status = 'active'), b.latest_version)
		ORDER BY b.name LIMIT $2`, []any{name, limit}, scanBundle)
}

const selectBundle = `
	SELECT v.name, v.version, v.status, v.content_hash, v.anchors_pem, v.intermediates_pem, v.issuers_pem,
		v.max_depth, v.allow_public_roots, v.created_by, v.created_at
	FROM trust_bundle_versions v `

func scanBundle(scan func(...any) error) (b storage.TrustBundle, err error) {
	err = scan(&b.Name, &b.Version, &b.Status, &b.ContentHash, &b.AnchorsPEM, &b.IntermediatesPEM, &b.IssuersPEM,
		&b.MaxDepth, &b.AllowPublicRoots, intoText(&b.CreatedBy), timeInto{&b.CreatedAt})
	return b, err
}

// TrustBundleStates implements storage.TrustBundleReader.
func (r reader) TrustBundleStates(ctx context.Context) ([]storage.TrustBundle, error) {
	list := []storage.TrustBundle{}
	err := r.each(ctx, `
		SELECT name, version, status, content_hash FROM trust_bundle_versions ORDER BY name, version`, nil,
		func(scan func(...any) error) error {
			var b storage.TrustBundle
			err := scan(&b.Name, &b.Version, &b.Status, &b.ContentHash)
			list = append(list, b)
			return err
		})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// PutTrustBundle implements storage.TrustBundleWriter. The upsert of the parent
// row hands out the number and keeps a second writer of the same name waiting.
func (t *tx) PutTrustBundle(ctx context.Context, b storage.TrustBundle) (int64, error) {
	var version int64
	_, err := t.write(ctx, "", `
		INSERT INTO trust_bundles (name, latest_version) VALUES ($1, 1)
		ON CONFLICT (name) DO UPDATE SET latest_version = trust_bundles.latest_version + 1
		RETURNING latest_version`, []any{b.Name}, &version)
	if err != nil {
		return 0, err
	}
	var retired int64
	_, err = t.write(ctx, "", `
		UPDATE trust_bundle_versions SET status = 'retired' WHERE name = $1 AND status = 'active' RETURNING version`,
		[]any{b.Name}, &retired)
	if err != nil {
		return 0, err
	}
	err = t.exec(ctx, "trust_bundle_versions", `
		INSERT INTO trust_bundle_versions (name, version, status, content_hash, anchors_pem, intermediates_pem,
			issuers_pem, max_depth, allow_public_roots, created_by, created_at)
		VALUES ($1, $2, 'active', $3, $4, $5, $6, $7, $8, $9, $10)`,
		b.Name, version, b.ContentHash, b.AnchorsPEM, b.IntermediatesPEM,
		b.IssuersPEM, b.MaxDepth, b.AllowPublicRoots, text(b.CreatedBy), seconds(b.CreatedAt))
	if err != nil {
		return 0, err
	}
	return version, nil
}

// RetireTrustBundle implements storage.TrustBundleWriter.
func (t *tx) RetireTrustBundle(ctx context.Context, name string) error {
	var retired int64
	changed, err := t.write(ctx, "", `
		UPDATE trust_bundle_versions SET status = 'retired' WHERE name = $1 AND status = 'active' RETURNING version`,
		[]any{name}, &retired)
	if err == nil && !changed {
		err = t.fail(storage.ErrNotFound)
	}
	return err
}
