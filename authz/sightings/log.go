// Package sightings writes down which certificates are in use: when each first got
// a token, and, coarsely, when last. Package orphans ends the tokens of those that are
// on record and of no others, so no token leaves before its certificate is: the first
// one waits for a commit, which it shares with the others that wait, and for every
// other one it is a look into a map.
//
// A certificate of a tls_client_auth client that nobody registered becomes a row by
// it, which gives it no right. It knows storage and nothing else.
package sightings

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/certbound/certbound/keys/peercert"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
)

// Behind is how far behind the last use the record may be: how coarse it is, and a
// moment for the issuing.
const Behind = coarse + time.Minute

const (
	// coarse is how long a certificate is not noted again.
	coarse = 10 * time.Minute
	// maxKnown bounds the certificates of which the last note is remembered.
	maxKnown = 100_000
	// commitTimeout bounds one commit: a disk that hangs must turn into refusals.
	commitTimeout = 5 * time.Second
	// maxPresented bounds what is kept of what came with a certificate, in bytes.
	maxPresented = 16 << 10
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
	turn   chan struct{} // held by who writes

	mu    sync.Mutex
	known map[use]*note
	next  *batch // the notes that wait to be written; nil: none
}

// use is that of a certificate by a client: two may share one.
type use struct {
	client string
	print  thumbprint.Thumbprint
}

// note is what is known of a use.
type note struct {
	at         int64  // unix time
	generation int64  // of the client: who takes the record away raises it
	batch      *batch // that it is written with; nil: it is written
	err        error  // why it could not be; to be read once its batch is done
}

// batch is the notes that share a commit.
type batch struct {
	notes []*note
	uses  []use
	seen  []storage.Certificate
	done  chan struct{} // closed when each of them is written, or cannot be
}

// New returns a Log that has seen nothing.
func New(c Config) (*Log, error) {
	if c.Store == nil || c.Clock == nil || c.Logger == nil {
		return nil, errors.New("sightings: a dependency in Config is missing")
	}
	return &Log{config: c, turn: make(chan struct{}, 1), known: map[use]*note{}}, nil
}

// Note says that a client, of a generation, is about to get a token with a certificate.
// When it returns nil the certificate is on record; on an error no token may leave.
func (l *Log) Note(ctx context.Context, clientID string, generation int64, peer *peercert.Peer) error {
	n, b := l.take(clientID, generation, peer)
	if b == nil {
		return nil
	}
	select {
	case <-b.done:
		return n.err
	case <-ctx.Done():
		return fmt.Errorf("sightings: %w", ctx.Err())
	case l.turn <- struct{}{}:
	}
	defer func() { <-l.turn }()
	select {
	case <-b.done: // by who had the turn before
	default:
		l.write()
	}
	return n.err
}

// take returns the note of a use and the batch that it waits in, nil when it is
// written.
func (l *Log) take(clientID string, generation int64, peer *peercert.Peer) (*note, *batch) {
	t, leaf := peer.Thumbprint, peer.Leaf
	now, used := l.config.Clock().UTC().Truncate(time.Second), use{clientID, t}
	l.mu.Lock()
	defer l.mu.Unlock()
	if n, ok := l.known[used]; ok && n.generation == generation && now.Unix()-n.at < int64(coarse/time.Second) {
		return n, n.batch
	}
	if len(l.known) >= maxKnown {
		for other := range l.known { // any: the order of a map is random
			delete(l.known, other)
			break
		}
	}
	if l.next == nil {
		l.next = &batch{done: make(chan struct{})}
	}
	b := l.next
	n := &note{at: now.Unix(), generation: generation, batch: b}
	l.known[used] = n
	b.notes, b.uses = append(b.notes, n), append(b.uses, used)
	b.seen = append(b.seen, storage.Certificate{
		Thumbprint: t, ClientID: clientID, DER: leaf.Raw, NotBefore: leaf.NotBefore.UTC(), NotAfter: leaf.NotAfter.UTC(), LastSeen: now,
		Presented: presented(peer.Intermediates),
	})
	return n, b
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

// write stores the notes that wait. Its caller has the turn.
func (l *Log) write() {
	l.mu.Lock()
	b := l.next
	l.next = nil
	l.mu.Unlock()
	errs := make([]error, len(b.seen))
	err := l.store(b.seen)
	for i := range errs {
		if errs[i] = err; errors.Is(err, storage.ErrConflict) && len(errs) > 1 {
			errs[i] = l.store(b.seen[i : i+1]) // one that cannot be stored is not to cost the others theirs
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	defer close(b.done)
	for i, n := range b.notes {
		n.batch, n.err = nil, errs[i]
		if n.err != nil && l.known[b.uses[i]] == n {
			delete(l.known, b.uses[i])
		}
	}
}

// store stores notes in one transaction. Not with the context of whoever has the turn:
// one caller who leaves must not undo the notes of the others.
func (l *Log) store(seen []storage.Certificate) error {
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	err := l.config.Store.Update(ctx, func(tx storage.Tx) error { return tx.SeeCertificates(ctx, seen) })
	if err != nil {
		l.config.Logger.LogAttrs(ctx, slog.LevelWarn, "sightings_not_stored", slog.Int("certificates", len(seen)), slog.String("detail", err.Error()))
		return fmt.Errorf("sightings: %w", err)
	}
	return nil
}
