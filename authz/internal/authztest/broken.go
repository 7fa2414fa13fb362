package authztest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
)

// Broken is a store that can be told which methods fail.
type Broken struct {
	storage.Store
	mu   sync.Mutex
	fail map[string]bool
	seqs int
}

// Break makes the methods fail until the next call; none repairs all.
func (b *Broken) Break(methods ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = map[string]bool{}
	for _, m := range methods {
		b.fail[m] = true
	}
}

func (b *Broken) failure(method string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail[method] {
		return fmt.Errorf("storage: %s: the disk is gone", method)
	}
	return nil
}

// Client is that of the store.
func (b *Broken) Client(ctx context.Context, id string) (storage.Client, error) {
	if err := b.failure("Client"); err != nil {
		return storage.Client{}, err
	}
	return b.Store.Client(ctx, id)
}

// CertificateDenied is that of the store.
func (b *Broken) CertificateDenied(ctx context.Context, t thumbprint.Thumbprint) (bool, error) {
	if err := b.failure("CertificateDenied"); err != nil {
		return false, err
	}
	return b.Store.CertificateDenied(ctx, t)
}

// APIByAudience is that of the store.
func (b *Broken) APIByAudience(ctx context.Context, audience string) (storage.API, error) {
	if err := b.failure("APIByAudience"); err != nil {
		return storage.API{}, err
	}
	return b.Store.APIByAudience(ctx, audience)
}

// Denied is that of the store.
func (b *Broken) Denied(ctx context.Context, kind storage.FeedKind, subject string, now time.Time) (bool, error) {
	if err := b.failure("Denied"); err != nil {
		return false, err
	}
	return b.Store.Denied(ctx, kind, subject, now)
}

// FeedSeq is that of the store.
func (b *Broken) FeedSeq(ctx context.Context) (int64, error) {
	if err := b.failure("FeedSeq"); err != nil {
		return 0, err
	}
	seq, err := b.Store.FeedSeq(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seqs++
	return seq, err
}

// SeqsRead is how often FeedSeq has been answered.
func (b *Broken) SeqsRead() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.seqs
}

// FeedEntries is that of the store.
func (b *Broken) FeedEntries(ctx context.Context, after int64, now time.Time, limit int) (storage.Feed, error) {
	if err := b.failure("FeedEntries"); err != nil {
		return storage.Feed{}, err
	}
	return b.Store.FeedEntries(ctx, after, now, limit)
}

// Update is that of the store; "Commit" fails when all has been written.
func (b *Broken) Update(ctx context.Context, fn func(storage.Tx) error) error {
	if err := b.failure("Update"); err != nil {
		return err
	}
	return b.Store.Update(ctx, func(tx storage.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return b.failure("Commit")
	})
}

// IsResourceServer is that of the store.
func (b *Broken) IsResourceServer(ctx context.Context, clientID string) (bool, error) {
	if err := b.failure("IsResourceServer"); err != nil {
		return false, err
	}
	return b.Store.IsResourceServer(ctx, clientID)
}
