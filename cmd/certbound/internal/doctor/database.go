package doctor

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/certbound/certbound/authz"
	"github.com/certbound/certbound/cmd/certbound/internal/config"
	"github.com/certbound/certbound/keys"
	"github.com/certbound/certbound/keys/trust"
	"github.com/certbound/certbound/storage"
	"github.com/certbound/certbound/storage/sqlite"
)

// database opens the database to look at it, with the settings of the server.
func (e *examination) database(ctx context.Context, c *config.Serve) {
	path := string(c.Database.Path)
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
		e.add(Finding{Warning, "database_file", fmt.Sprintf("%s has mode %04o", path, info.Mode().Perm()), "registrations and audit are nobody else's business", "chmod 600 " + path})
	}
	store, err := sqlite.OpenReadOnly(ctx, path, sqlite.Options{Logger: quiet()})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.add(Finding{Warning, "database", err.Error(), "the first start makes an empty one; when there should be one, it was lost or the path is wrong", "start certbound serve, or restore a backup"})
		return
	case errors.Is(err, sqlite.ErrOutdated):
		e.add(Finding{Warning, "database", err.Error(), "the next start migrates it, and older programs cannot read it afterwards", "make a backup; then start certbound serve, or certbound migrate without starting it"})
		return
	case err != nil:
		e.add(Finding{Problem, "database", err.Error(), "certbound serve does not start", "see the message"})
		return
	}
	defer func() { _ = store.Close() }() // nothing was written
	e.ok("database", "%s: journal_mode wal, synchronous full, schema up to date", path)
	e.sealed(ctx, c, store)
	e.bundles(ctx, store)
	e.registered(ctx, store)
}

// sealed opens every signing key.
func (e *examination) sealed(ctx context.Context, c *config.Serve, store storage.Store) {
	sealer, err := newSealer(c)
	if err != nil {
		return // the configuration has said so
	}
	count, err := keys.CheckSealed(ctx, authz.KeyStore(store), sealer)
	if err != nil {
		e.add(Finding{Problem, "key_encryption", err.Error(), "the server does not start: the key may have signed tokens that are still out there", "load the key-encryption key that is named beside the active one"})
		return
	}
	e.ok("key_encryption", "%d signing keys open", count)
}

func newSealer(c *config.Serve) (*keys.Sealer, error) {
	var active keys.KEK
	var older []keys.KEK
	for _, kek := range c.Keys.KEKs {
		key, err := keys.ReadKEKFile(string(kek.File))
		if err != nil {
			return nil, err
		}
		defer clear(key) // the sealer has its own copy
		if loaded := (keys.KEK{ID: kek.ID, Key: key}); kek.ID == c.Keys.Active {
			active = loaded
		} else {
			older = append(older, loaded)
		}
	}
	return keys.NewSealer(active, older...)
}

// bundles judges the active trust bundles as if they were registered today.
func (e *examination) bundles(ctx context.Context, store storage.Store) {
	all, err := store.TrustBundles(ctx)
	if err != nil {
		e.add(Finding{Problem, "trust", err.Error(), "no client can be authenticated", "see the message"})
		return
	}
	for _, b := range all {
		if b.Status != storage.BundleActive {
			continue
		}
		name := fmt.Sprintf("%s@%d", b.Name, b.Version)
		_, err := trust.New(trust.Spec{
			Name: b.Name, Version: b.Version, Anchors: []byte(b.AnchorsPEM), Intermediates: []byte(b.IntermediatesPEM),
			Issuers: []byte(b.IssuersPEM), MaxDepth: b.MaxDepth, AllowPublicRoots: b.AllowPublicRoots,
		}, e.Clock())
		if err != nil {
			e.add(Finding{Problem, "trust", fmt.Sprintf("%s: %v", name, err), "clients of this bundle are refused, or more than its partners could be let in", "register a new version of the bundle"})
			continue
		}
		// Further ahead, the same judgement says what is about to happen.
		if _, err := trust.New(trust.Spec{Name: b.Name, Version: b.Version, Anchors: []byte(b.AnchorsPEM), AllowPublicRoots: true}, e.Clock().Add(soon)); err != nil {
			e.add(Finding{Warning, "trust", fmt.Sprintf("%s, in 30 days: %v", name, err), "then its clients are refused", "register a new version with the authority's next certificate in time"})
			continue
		}
		e.ok("trust", "%s is good", name)
	}
}

// registered looks for certificates of self-signed clients that end soon: nobody
// else watches them.
func (e *examination) registered(ctx context.Context, store storage.Store) {
	const page = 200
	count := 0
	for after := ""; ; {
		clients, err := store.Clients(ctx, storage.ClientQuery{After: after, Limit: page})
		if err != nil {
			e.add(Finding{Problem, "clients", err.Error(), "no client can be authenticated", "see the message"})
			return
		}
		for i := range clients {
			after = clients[i].ID
			if clients[i].Method == storage.SelfSignedTLSClientAuth && !clients[i].Disabled {
				count += e.clientCertificates(ctx, store, clients[i].ID)
			}
		}
		if len(clients) < page {
			break
		}
	}
	e.ok("clients", "%d registered certificates are good", count)
}

// clientCertificates returns how many of a client's certificates need no word. A
// client that has another one for longer needs none either.
func (e *examination) clientCertificates(ctx context.Context, store storage.Store, id string) (good int) {
	certificates, err := store.ClientCertificates(ctx, id)
	if err != nil {
		e.add(Finding{Problem, "clients", err.Error(), "the client cannot be authenticated", "see the message"})
		return 0
	}
	var last *x509.Certificate
	for _, c := range certificates {
		cert, err := x509.ParseCertificate(c.DER)
		if err == nil && (last == nil || cert.NotAfter.After(last.NotAfter)) {
			last = cert
		}
	}
	if last == nil {
		return 0
	}
	now := e.Clock()
	switch left := last.NotAfter.Sub(now); {
	case left < 0:
		e.add(Finding{Warning, "clients", fmt.Sprintf("the last certificate of %s expired at %s", id, stamp(last.NotAfter)), "the client is refused (certificate_expired)", "register its new certificate"})
	case left < min(soon, last.NotAfter.Sub(last.NotBefore)/3):
		e.add(Finding{Warning, "clients", fmt.Sprintf("the last certificate of %s expires at %s", id, stamp(last.NotAfter)), "then the client is refused (certificate_expired)", "ask for its new certificate and register it beside the old one"})
	default:
		return len(certificates)
	}
	return 0
}
