// Package sightings writes down which certificates are in use: when each first got
// a token, and, coarsely, when last. It stands beside the token endpoint and never
// in its way: a note is a look into a map, and what is new is written in batches,
// now and then. What cannot be written waits for the next time, because package
// orphans ends the tokens of those that are on record and of no others; what does not
// fit is noted when the certificate is used again.
//
// A certificate of a tls_client_auth client that nobody registered becomes a row by
// it, which gives it no right. It knows storage and nothing else.
package sightings

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/certbound/certbound/keys/peercert"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
)

// Behind is how far behind the last use the record may be: how coarse it is, and a
// moment for the writing.
const Behind = coarse + time.Minute

const (
	// coarse is how long a certificate is not noted again.
	coarse = 10 * time.Minute
	// every is how often what is new is written.
	every = time.Second
	// maxKnown bounds the certificates of which the last note is remembered, maxWaiting
	// those that wait to be written.
	maxKnown   = 100_000
	maxWaiting = 4096
	maxBatch   = 256
	// maxPresented bounds what is kept of what came with a certificate, in bytes.
	maxPresented = 16 << 10
)

// Store is where sightings go.
type Store interface {
	Update(ctx context.Context, fn func(storage.Tx) error) error
}

// Config is what a Log needs; all of it but Late.
type Config struct {
	Store Store
	// Late, when set, hears in the transaction that writes notes of those that rest on
	// a registration which has changed since: whoever changed it did not find them. It
	// returns whether it has told resource servers anything, and then Told is called.
	Late   func(ctx context.Context, tx storage.Tx, seen []storage.Certificate) (told bool, err error)
	Told   func()
	Clock  func() time.Time
	Logger *slog.Logger
}

// Log takes notes.
type Log struct {
	config Config
	wake   chan struct{}

	mu      sync.Mutex
	known   map[use]int64 // unix time of the last note
	waiting []note
}

// use is that of a certificate by a client: two may share one.
type use struct {
	client string
	print  thumbprint.Thumbprint
}

// note is a certificate, and the version of the registration its token rests on.
type note struct {
	seen         storage.Certificate
	registration int64
}

// New returns a Log that has seen nothing. Nothing is written before Run.
func New(c Config) (*Log, error) {
	if c.Store == nil || c.Clock == nil || c.Logger == nil {
		return nil, errors.New("sightings: a dependency in Config is missing")
	}
	return &Log{config: c, wake: make(chan struct{}, 1), known: map[use]int64{}}, nil
}

// Note says that a client has just got a token with a certificate, by a version of
// the registration. It does not block.
func (l *Log) Note(clientID string, peer *peercert.Peer, registration int64) {
	t, leaf := peer.Thumbprint, peer.Leaf
	now, used := l.config.Clock().UTC().Truncate(time.Second), use{clientID, t}
	l.mu.Lock()
	defer l.mu.Unlock()
	if last, ok := l.known[used]; ok && now.Unix()-last < int64(coarse/time.Second) {
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
	l.known[used] = now.Unix()
	l.waiting = append(l.waiting, note{storage.Certificate{
		Thumbprint: t, ClientID: clientID, DER: leaf.Raw, NotBefore: leaf.NotBefore.UTC(), NotAfter: leaf.NotAfter.UTC(), LastSeen: now,
		Presented: presented(peer.Intermediates),
	}, registration})
	l.signal()
}

// presented is what came with a certificate, in one piece; nothing of what is too
// much.
func presented(certs []*x509.Certificate) (der []byte) {
	for _, c := range certs {
		if len(der)+len(c.Raw) > maxPresented {
			return nil
		}
		der = append(der, c.Raw...)
	}
	return der
}

// Run writes what was noted until ctx ends, and then what is left.
func (l *Log) Run(ctx context.Context) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			l.Flush(context.WithoutCancel(ctx))
			return
		case <-l.wake:
		}
		l.Flush(ctx)
		select { // one commit a second at the most
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

// Flush writes what was noted now. What cannot be written is tried again by Run.
func (l *Log) Flush(ctx context.Context) {
	for {
		batch := l.take()
		if len(batch) == 0 {
			return
		}
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		told, err := l.write(ctx, batch)
		cancel()
		if told && err == nil && l.config.Told != nil {
			l.config.Told()
		}
		if err != nil {
			l.putBack(batch, err)
			l.config.Logger.LogAttrs(ctx, slog.LevelWarn, "sightings_not_stored", slog.Int("certificates", len(batch)), slog.String("detail", err.Error()))
			return
		}
	}
}

// write stores notes, and has those judged that came too late for a change.
func (l *Log) write(ctx context.Context, batch []note) (told bool, err error) {
	seen := make([]storage.Certificate, len(batch))
	for i := range batch {
		seen[i] = batch[i].seen
	}
	err = l.config.Store.Update(ctx, func(tx storage.Tx) error {
		told = false
		if err := tx.SeeCertificates(ctx, seen); err != nil || l.config.Late == nil {
			return err
		}
		version, err := tx.RegistrationVersion(ctx)
		if err != nil {
			return err
		}
		var late []storage.Certificate
		for i := range batch {
			if batch[i].registration < version {
				late = append(late, seen[i])
			}
		}
		if len(late) > 0 {
			told, err = l.config.Late(ctx, tx, late)
		}
		return err
	})
	return told, err
}

func (l *Log) take() []note {
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

// putBack lets what could not be written wait for another try. What the database will
// never take, or has no room here any more, is noted again by its next use.
func (l *Log) putBack(batch []note, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	room := max(0, maxWaiting-len(l.waiting))
	if errors.Is(err, storage.ErrConflict) {
		room = 0
	}
	kept := slices.Clip(batch[:min(room, len(batch))])
	for _, lost := range batch[len(kept):] {
		delete(l.known, use{lost.seen.ClientID, lost.seen.Thumbprint})
	}
	l.waiting = append(kept, l.waiting...)
	l.signal()
}

// signal is called with the lock held.
func (l *Log) signal() {
	if len(l.waiting) == 0 {
		return
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
}
