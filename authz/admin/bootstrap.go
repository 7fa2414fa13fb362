package admin

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/oauth"
	"github.com/certbound/certbound/authz/registration"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
)

// ErrBootstrapped: there has been a first administrator. It is Recover that
// brings back one.
var ErrBootstrapped = errors.New("admin: the first administrator was created before; use `certbound admin recover` to get back in")

// Administrator is who is to administer an issuer. Client says how it
// authenticates; Scope and Disabled are set here.
type Administrator struct {
	Issuer string
	Client registration.Client
}

// SelfSigned is the registration of a client that is known by exactly this
// certificate, whoever signed it.
func SelfSigned(clientID, partnerID string, certificate *x509.Certificate) (registration.Client, error) {
	text, err := jose.JSONWebKey{Key: certificate.PublicKey, Certificates: []*x509.Certificate{certificate}}.MarshalJSON()
	if err != nil {
		return registration.Client{}, fmt.Errorf("admin: the certificate of %s: %w", clientID, err)
	}
	var key map[string]any
	if err := json.Unmarshal(text, &key); err != nil {
		return registration.Client{}, err
	}
	return registration.Client{
		ClientID: clientID, PartnerID: partnerID, AuthMethod: storage.SelfSignedTLSClientAuth,
		JWKS: &registration.JWKS{Keys: []map[string]any{key}},
	}, nil
}

// Bootstrap creates the reserved API and the first administrator, once in the
// life of a database: the API's row is what a second try finds, and of two at the
// same time one.
func Bootstrap(ctx context.Context, store storage.Store, record Appender, now time.Time, a Administrator) error {
	now = now.UTC().Truncate(time.Second)
	wanted, err := a.check(now)
	if err != nil {
		return err
	}
	return store.Update(ctx, func(tx storage.Tx) error {
		_, err := tx.API(ctx, registration.AdminAPI)
		if err == nil {
			return ErrBootstrapped
		}
		if !errors.Is(err, storage.ErrNotFound) {
			return err
		}
		if _, err := tx.Client(ctx, wanted.Client.ID); err == nil {
			return fmt.Errorf("admin: client %q is there already; the first administrator is a client of its own", wanted.Client.ID)
		} else if !errors.Is(err, storage.ErrNotFound) {
			return err
		}
		return a.install(ctx, tx, record, now, wanted, "bootstrap")
	})
}

// Recover makes somebody an administrator who need not have been one: the way
// back for whoever has the database in hand. A client that is there gets the new
// credentials instead of its old ones, keeps its other scopes, is enabled, and
// its tokens die. Operator names who did it, for the audit event.
func Recover(ctx context.Context, store storage.Store, record Appender, now time.Time, a Administrator, operator string) error {
	now = now.UTC().Truncate(time.Second)
	wanted, err := a.check(now)
	if err != nil {
		return err
	}
	return store.Update(ctx, func(tx storage.Tx) error {
		again := wanted // the closure may run again
		before, err := tx.Client(ctx, again.Client.ID)
		switch {
		case err == nil:
			again.Client.Scopes = registration.Distinct(append(before.Scopes, Scopes()...))
			again.Client.PartnerID, again.Client.Name = before.PartnerID, before.Name
		case !errors.Is(err, storage.ErrNotFound):
			return err
		}
		if err := notDenied(ctx, tx, again); err != nil {
			return err
		}
		if err := a.install(ctx, tx, record, now, again, operator); err != nil {
			return err
		}
		generation, err := tx.RaiseGeneration(ctx, again.Client.ID, now)
		if err != nil {
			return err
		}
		return registration.DenyGeneration(ctx, tx, again.Client.ID, generation, now)
	})
}

// FollowIssuer moves the reserved API to the issuer's present name and to the scopes
// of this version. Without one
// there is nothing to move. It is for every start: an administrator of a server
// that was renamed must still find it.
func FollowIssuer(ctx context.Context, store storage.Store, issuer string, now time.Time) error {
	api, err := store.API(ctx, registration.AdminAPI)
	if errors.Is(err, storage.ErrNotFound) || err == nil && api.Audience == Audience(issuer) && slices.Equal(api.Scopes, Scopes()) {
		return nil
	}
	if err != nil {
		return err
	}
	return store.Update(ctx, func(tx storage.Tx) error {
		return ensureAdminAPI(ctx, tx, issuer, now.UTC().Truncate(time.Second))
	})
}

// check is what can be said before the transaction.
func (a Administrator) check(now time.Time) (registration.ClientRecord, error) {
	body := a.Client
	body.Disabled, body.Scope = false, ""
	if a.Issuer == "" {
		return registration.ClientRecord{}, errors.New("admin: the issuer is missing")
	}
	if err := (&registration.Set{Clients: []registration.Client{body}}).Check(now); err != nil {
		return registration.ClientRecord{}, err
	}
	wanted, _ := body.Record(now)
	wanted.Client.Scopes = Scopes()
	return wanted, nil
}

func (a Administrator) install(ctx context.Context, tx storage.Tx, record Appender, now time.Time, wanted registration.ClientRecord, operator string) error {
	if err := ensureAdminAPI(ctx, tx, a.Issuer, now); err != nil {
		return err
	}
	if err := enablePartner(ctx, tx, wanted.Client.PartnerID, now); err != nil {
		return err
	}
	if err := registration.CheckReferences(ctx, tx, wanted.Client); err != nil {
		return err
	}
	if err := registration.EnsureClient(ctx, tx, wanted); err != nil {
		return registration.InWords(err)
	}
	if err := registration.EnsureCertificates(ctx, tx, wanted); err != nil {
		return registration.InWords(err)
	}
	event := audit.Event{
		Time: now, Kind: audit.AdministratorAdded, Partner: wanted.Client.PartnerID, Client: wanted.Client.ID,
		Actor:  "local",
		Detail: map[string]any{"operator": operator, "scopes": wanted.Client.Scopes, "auth_method": wanted.Client.Method},
	}
	event.Thumbprint = firstOf(wanted)
	return record.Append(ctx, tx, event)
}

func firstOf(c registration.ClientRecord) thumbprint.Thumbprint {
	if len(c.Certificates) == 0 {
		return thumbprint.Thumbprint{}
	}
	return c.Certificates[0].Record.Thumbprint
}

// notDenied keeps a certificate out that could not be used anyway.
func notDenied(ctx context.Context, tx storage.Tx, c registration.ClientRecord) error {
	for _, certificate := range c.Certificates {
		denied, err := tx.CertificateDenied(ctx, certificate.Record.Thumbprint)
		if err != nil {
			return err
		}
		if denied {
			return errors.New("admin: this certificate has been revoked; recover with another one")
		}
	}
	return nil
}

func ensureAdminAPI(ctx context.Context, tx storage.Tx, issuer string, now time.Time) error {
	want := storage.API{
		ID: registration.AdminAPI, Audience: Audience(issuer), Scopes: Scopes(), TokenLifetime: oauth.DefaultTokenLifetime,
		CreatedAt: now, UpdatedAt: now,
	}
	have, err := tx.API(ctx, registration.AdminAPI)
	if errors.Is(err, storage.ErrNotFound) {
		return registration.InWords(tx.CreateAPI(ctx, want))
	}
	if err != nil {
		return err
	}
	// Also what it has of scopes and resource servers: it is ours to define.
	return registration.InWords(registration.EnsureAPI(ctx, tx, have, want))
}

func enablePartner(ctx context.Context, tx storage.Tx, id string, now time.Time) error {
	have, err := tx.Partner(ctx, id)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return tx.CreatePartner(ctx, storage.Partner{ID: id, CreatedAt: now, UpdatedAt: now})
	case err != nil || !have.Disabled && have.LockedAt.IsZero():
		return err
	}
	have.Disabled, have.LockedAt, have.LockReason, have.UpdatedAt = false, time.Time{}, "", now
	return tx.UpdatePartner(ctx, have)
}
