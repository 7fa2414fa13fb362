package process

import (
	"context"
	"errors"
	"strings"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/cmd/certbound/internal/config"
	"github.com/certbound/certbound/keys"
	"github.com/certbound/certbound/storage"
	"github.com/certbound/certbound/storage/sqlite"
)

// AuditTrail is the audit trail of a database, opened beside or without the
// server that writes it.
type AuditTrail struct {
	store  storage.Store
	keys   *keys.Ring
	config *config.Serve
	o      Options
}

// OpenAuditTrail opens the database and the checkpoint keys that a configuration
// names.
func OpenAuditTrail(ctx context.Context, c *config.Serve, o Options) (*AuditTrail, error) {
	sealer, err := Sealer(c)
	if err != nil {
		return nil, err
	}
	store, err := sqlite.Open(ctx, string(c.Database.Path), sqlite.Options{Logger: o.Logger})
	if err != nil {
		return nil, c.Source.Problem("database.path", err)
	}
	ring, err := keys.Open(ctx, ringConfig(c, o, store, sealer, audit.CheckpointPurpose))
	if err != nil {
		return nil, errors.Join(place(c.Source, "keys", "keys: ", err), store.Close())
	}
	return &AuditTrail{store, ring, c, o}, nil
}

// Close releases the database.
func (a *AuditTrail) Close() error { return a.store.Close() }

// Checkpoint returns a signed statement over the heads of all chains.
func (a *AuditTrail) Checkpoint(ctx context.Context) (string, error) {
	return audit.NewCheckpoint(ctx, a.store, a.keys, a.o.clock()())
}

// Verify follows all chains; checkpoint is one that was kept, or "".
func (a *AuditTrail) Verify(ctx context.Context, checkpoint string) (*audit.Report, error) {
	var kept *audit.Checkpoint
	if checkpoint != "" {
		var err error
		if kept, err = audit.ParseCheckpoint(strings.TrimSpace(checkpoint), a.keys.PublicJWKS()); err != nil {
			return nil, err
		}
	}
	return audit.Verify(ctx, a.store, a.keys.PublicJWKS(), kept)
}
