package registration

import (
	"context"
	"errors"
	"time"

	"github.com/certbound/certbound/authz/orphans"
	"github.com/certbound/certbound/storage"
)

// Apply checks the whole registration and then brings the store to it in one
// transaction: what is missing is created, what differs is changed, what the
// registration does not name stays. Applying it again changes nothing, however
// much later. All mistakes are reported at once, and then nothing is written.
func (r *Set) Apply(ctx context.Context, store storage.Store, now time.Time) error {
	now = now.UTC().Truncate(time.Second)
	checked, problems := r.check(now)
	known, err := checked.accepted(ctx, store)
	if err != nil {
		return err
	}
	if err := append(problems, checked.judge(known, now)...).orNil(); err != nil {
		return err
	}
	return store.Update(ctx, func(tx storage.Tx) error { return checked.apply(ctx, tx) })
}

// apply writes in the order the references need. An API's scopes exist before a
// client holds them and go after the last client let go of them; its resource
// servers are clients. A certificate belongs to one client, so all that are
// taken away go before any is added.
func (r *records) apply(ctx context.Context, tx storage.Tx) error {
	for _, step := range []func(context.Context, storage.Tx) error{
		r.applyPartners, r.applyBundles,
		r.growAPIs, r.applyClients, r.addCertificates, r.shrinkAPIs, r.finishAPIs,
	} {
		if err := step(ctx, tx); err != nil {
			return err
		}
	}
	return nil
}

// each runs fn over one list and places its error at the record.
func each[T any](r *records, list string, all []T, id func(T) string, fn func(T) error) error {
	for i, record := range all {
		if err := fn(record); err != nil {
			return r.of.problem(list, i, id(record), "", InWords(err))
		}
	}
	return nil
}

func (r *records) applyPartners(ctx context.Context, tx storage.Tx) error {
	return each(r, "partners", r.partners, func(p storage.Partner) string { return p.ID },
		func(p storage.Partner) error { return ensurePartner(ctx, tx, p) })
}

func (r *records) applyBundles(ctx context.Context, tx storage.Tx) error {
	stored, err := tx.TrustBundles(ctx)
	if err != nil {
		return err
	}
	active := activeHashes(stored)
	return each(r, "trust_bundles", r.bundles, func(b BundleRecord) string { return b.Record.Name },
		func(b BundleRecord) error {
			if active[b.Record.Name] == b.Record.ContentHash {
				return nil
			}
			if err := r.of.mayChangeBundles(ctx, tx); err != nil {
				return err
			}
			_, _, err := orphans.Put(ctx, tx, b.Record, b.Record.CreatedAt)
			return err
		})
}

// errAgreed is what is wrong with a trust bundle that administrators would have to
// agree on.
var errAgreed = errors.New("it differs from what is in force, and a trust bundle is changed by two administrators here (admin.second_pair_of_eyes): propose it with certbound trust, or take it out of the seed")

// mayChangeBundles lets the very first seed bring trust bundles, before there is an
// administrator who could propose them.
func (r *Set) mayChangeBundles(ctx context.Context, tx storage.Tx) error {
	if !r.BundlesAgreed {
		return nil
	}
	_, err := tx.API(ctx, AdminAPI)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return nil
	case err == nil:
		return errAgreed
	}
	return err
}

func (r *records) applyClients(ctx context.Context, tx storage.Tx) error {
	return r.eachClient(func(c ClientRecord) error {
		if err := CheckReferences(ctx, tx, c.Client); err != nil {
			return err
		}
		return EnsureClient(ctx, tx, c)
	})
}

func (r *records) addCertificates(ctx context.Context, tx storage.Tx) error {
	return r.eachClient(func(c ClientRecord) error { return EnsureCertificates(ctx, tx, c) })
}

func (r *records) eachClient(fn func(ClientRecord) error) error {
	return each(r, "clients", r.clients, func(c ClientRecord) string { return c.Client.ID }, fn)
}

func (r *records) eachAPI(fn func(storage.API) error) error {
	return each(r, "apis", r.apis, func(a storage.API) string { return a.ID }, fn)
}
