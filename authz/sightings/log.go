// Package sightings writes down which certificates are in use: when each first got
// a token, and, coarsely, when last. It stands beside the token endpoint and never
// in its way: a note is a look into a map, and what is new is written in batches,
// now and then. What does not fit is noted the next time.
//
// A certificate of a tls_client_auth client that nobody registered becomes a row by
// it, which gives it no right. It knows storage and nothing else.
package sightings

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
)

const (
	// coarse is how far behind the last use the record may be.
	coarse = 10 * time.Minute
	// every is how often what is new is written.
	every = time.Second
	// maxKnown bounds the certificates of which the last note is remembered, maxWaiting
	// those that wait to be written.
	maxKnown   = 100_000
	maxWaiting = 4096
	maxBatch   = 256
)

// Store is where sightings go.
type Store interface {
	Update(ctx context.Context, fn func(storage.Tx) error) error
}

// Config is what a Log needs; all of it.
type Config struct {
	Store  Store
	Clock  func() time.Time
	Logger *slog.Logger
}

// Log takes notes.
type Log struct {
	config Config
	wake   chan struct{}

	mu      sync.Mutex
	known   map[thumbprint.Thumbprint]int64 // unix time of the last note
	waiting []storage.Certificate
}

// New returns a Log that has seen nothing. Nothing is written before Run.
func New(c Config) (*Log, error) {
	if c.Store == nil || c.Clock == nil || c.Logger == nil {
		return nil, errors.New("sightings: a dependency in Config is missing")
	}
	return &Log{config: c, wake: make(chan struct{}, 1), known: map[thumbprint.Thumbprint]int64{}}, nil
}

// Note says that a client has just authenticated with a certificate. It does not
// block.
func (l *Log) Note(clientID string, t thumbprint.Thumbprint, leaf *x509.Certificate) {
	now := l.config.Clock().UTC().Truncate(time.Second)
	l.mu.Lock()
	defer l.mu.Unlock()
	if last, ok := l.known[t]; ok && now.Unix()-last < int64(coarse/time.Second) {
		return
	}
	if len(l.waiting) >= maxWaiting {
		return
	}
	if len(l.known) >= maxKnown {
		for other := range l.known { // any: the order of a map is random
			delete(l.known, other)
			break
		}
	}
	l.known[t] = now.Unix()
	l.waiting = append(l.waiting, storage.Certificate{
		Thumbprint: t, ClientID: clientID, DER: leaf.Raw, NotBefore: leaf.NotBefore.UTC(), NotAfter: leaf.NotAfter.UTC(), LastSeen: now,
	})
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Run writes what was noted until ctx ends, and then what is left.
func (l *Log) Run(ctx context.Context) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			l.flush(context.WithoutCancel(ctx))
			return
		case <-l.wake:
		}
		l.flush(ctx)
		select { // one commit a second at the most
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

func (l *Log) flush(ctx context.Context) {
	for {
		batch := l.take()
		if len(batch) == 0 {
			return
		}
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := l.config.Store.Update(ctx, func(tx storage.Tx) error { return tx.SeeCertificates(ctx, batch) })
		cancel()
		if err != nil {
			l.forget(batch)
			l.config.Logger.LogAttrs(ctx, slog.LevelWarn, "sightings_not_stored", slog.Int("certificates", len(batch)), slog.String("detail", err.Error()))
			return
		}
	}
}

func (l *Log) take() []storage.Certificate {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(len(l.waiting), maxBatch)
	batch := l.waiting[:n:n]
	l.waiting = l.waiting[n:]
	if len(l.waiting) == 0 {
		l.waiting = nil
	}
	return batch
}

// forget lets the next use of what could not be written be noted again.
func (l *Log) forget(batch []storage.Certificate) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range batch {
		delete(l.known, batch[i].Thumbprint)
	}
}
