package orphans

import (
	"context"
	"time"

	"github.com/certbound/certbound/keys/trust"
	"github.com/certbound/certbound/storage"
)

// Put puts a new version of a trust bundle in force and ends the tokens of the
// certificates that it does not accept. The version is the one given.
func Put(ctx context.Context, tx storage.Tx, b storage.TrustBundle, now time.Time) (version int64, ended Ended, err error) {
	before, err := active(ctx, tx, b.Name)
	if err != nil {
		return 0, Ended{}, err
	}
	if version, err = tx.PutTrustBundle(ctx, b); err != nil {
		return 0, Ended{}, err
	}
	b.Version = version
	after, err := load(&b)
	if err != nil {
		return 0, Ended{}, err
	}
	if before == nil || covers(after, before) {
		return version, Ended{}, nil
	}
	ended, err = end(ctx, tx, b.Name, after, now)
	return version, ended, err
}

// Retire leaves no version of a trust bundle in force, and ends the tokens of all its
// clients. ErrNotFound if none was.
func Retire(ctx context.Context, tx storage.Tx, name string, now time.Time) (Ended, error) {
	if err := tx.RetireTrustBundle(ctx, name); err != nil {
		return Ended{}, err
	}
	return end(ctx, tx, name, nil, now)
}

// active is the version in force; nil when there is none.
func active(ctx context.Context, from storage.TrustBundleReader, name string) (*storage.TrustBundle, error) {
	versions, err := from.TrustBundleVersions(ctx, name)
	for i := range versions {
		if versions[i].Status == storage.BundleActive {
			return &versions[i], err
		}
	}
	return nil, err
}

func load(b *storage.TrustBundle) (*trust.Bundle, error) {
	return trust.Load(trust.Spec{
		Name: b.Name, Version: b.Version, Anchors: []byte(b.AnchorsPEM), Intermediates: []byte(b.IntermediatesPEM),
		Issuers: []byte(b.IssuersPEM), MaxDepth: b.MaxDepth, AllowPublicRoots: b.AllowPublicRoots,
	})
}

// covers reports whether no certificate loses anything. What cannot be read any more
// accepted nobody.
func covers(after *trust.Bundle, before *storage.TrustBundle) bool {
	was, err := load(before)
	return err != nil || after.Covers(was)
}
