package sightings

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
)

// book is a store that keeps what it is told.
type book struct {
	storage.Tx

	mu      sync.Mutex
	commits int
	seen    []storage.Certificate
	err     error
}

func (b *book) Update(_ context.Context, fn func(storage.Tx) error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return b.err
	}
	b.commits++
	return fn(b)
}

func (b *book) SeeCertificates(_ context.Context, seen []storage.Certificate) error {
	b.seen = append(b.seen, seen...)
	return nil
}

func printOf(n int) thumbprint.Thumbprint {
	return thumbprint.Thumbprint{byte(n), byte(n >> 8), byte(n >> 16)}
}

// TestNotes: many uses of a certificate are one note, and many notes few commits.
func TestNotes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &book{}
		l, err := New(Config{Store: b, Clock: time.Now, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); l.Run(ctx) }()
		leaf := &x509.Certificate{Raw: []byte("der")}
		for range 1000 {
			for n := range 10 {
				l.Note("edge", printOf(n), leaf)
			}
		}
		<-time.After(2 * every) // of the bubble: it passes at once
		synctest.Wait()
		if len(b.seen) != 10 || b.commits > 2 {
			t.Errorf("%d notes in %d commits", len(b.seen), b.commits)
		}
		<-time.After(coarse)
		l.Note("edge", printOf(1), leaf)
		stop()
		<-done
		if len(b.seen) != 11 || !b.seen[10].LastSeen.After(b.seen[0].LastSeen) {
			t.Errorf("%d notes after a while, and what was left at the end", len(b.seen))
		}
	})
}

// TestBounds: nothing grows without end, and what could not be written is noted
// again.
func TestBounds(t *testing.T) {
	b := &book{err: errors.New("no disk")}
	l, err := New(Config{Store: b, Clock: time.Now, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{}
	for n := range 2 * maxWaiting {
		l.Note("edge", printOf(n), leaf)
	}
	if len(l.waiting) != maxWaiting || len(l.known) != maxWaiting {
		t.Errorf("%d wait, %d are known", len(l.waiting), len(l.known))
	}
	l.flush(t.Context())
	if len(l.known) != maxWaiting-maxBatch {
		t.Errorf("%d are known after a failure", len(l.known))
	}
	b.err = nil
	l.flush(t.Context())
	if len(b.seen) != maxWaiting-maxBatch || l.waiting != nil {
		t.Errorf("%d written, %d wait", len(b.seen), len(l.waiting))
	}
	if _, err := New(Config{}); err == nil {
		t.Error("a log without a store")
	}
}
