package sqlstore

import (
	"context"

	"github.com/certbound/certbound/storage"
)

// TrustBundles implements storage.TrustBundleReader.
func (r reader) TrustBundles(ctx context.Context) ([]storage.TrustBundle, error) {
	list := []storage.TrustBundle{}
	err := r.each(ctx, `
		SELECT name, version, status, content_hash, anchors_pem, intermediates_pem, issuers_pem,
			max_depth, allow_public_roots, created_at
		FROM trust_bundle_versions ORDER BY name, version`, nil,
		func(scan func(...any) error) error {
			var b storage.TrustBundle
			err := scan(&b.Name, &b.Version, &b.Status, &b.ContentHash, &b.AnchorsPEM, &b.IntermediatesPEM, &b.IssuersPEM,
				&b.MaxDepth, &b.AllowPublicRoots, timeInto{&b.CreatedAt})
			list = append(list, b)
			return err
		})
	if err != nil {
		return nil, err
	}
	return list, nil
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
			issuers_pem, max_depth, allow_public_roots, created_at)
		VALUES ($1, $2, 'active', $3, $4, $5, $6, $7, $8, $9)`,
		b.Name, version, b.ContentHash, b.AnchorsPEM, b.IntermediatesPEM,
		b.IssuersPEM, b.MaxDepth, b.AllowPublicRoots, seconds(b.CreatedAt))
	if err != nil {
		return 0, err
	}
	return version, nil
}
