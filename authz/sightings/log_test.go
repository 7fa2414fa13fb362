package sightings

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certbound/certbound/keys/peercert"
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

func peerOf(t thumbprint.Thumbprint, presented ...*x509.Certificate) *peercert.Peer {
	return &peercert.Peer{Leaf: &x509.Certificate{Raw: []byte("der")}, Thumbprint: t, Intermediates: presented}
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
		for range 1000 {
			for n := range 10 {
				l.Note("edge", peerOf(printOf(n)), 1)
			}
		}
		<-time.After(2 * every) // of the bubble: it passes at once
		synctest.Wait()
		if len(b.seen) != 10 || b.commits > 2 {
			t.Errorf("%d notes in %d commits", len(b.seen), b.commits)
		}
		<-time.After(coarse)
		l.Note("edge", peerOf(printOf(1)), 1)
		stop()
		<-done
		if len(b.seen) != 11 || !b.seen[10].LastSeen.After(b.seen[0].LastSeen) {
			t.Errorf("%d notes after a while, and what was left at the end", len(b.seen))
		}
	})
}

// TestBounds: nothing grows without end, and what could not be written is written
// later: tokens that nobody knows of cannot be ended.
func TestBounds(t *testing.T) {
	b := &book{err: errors.New("no disk")}
	l, err := New(Config{Store: b, Clock: time.Now, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 2 * maxWaiting {
		l.Note("edge", peerOf(printOf(n)), 1)
	}
	if len(l.waiting) != maxWaiting || len(l.known) != maxWaiting {
		t.Errorf("%d wait, %d are known", len(l.waiting), len(l.known))
	}
	l.Flush(t.Context())
	if len(l.waiting) != maxWaiting || len(l.known) != maxWaiting {
		t.Errorf("%d wait, %d are known after a failure", len(l.waiting), len(l.known))
	}
	late := l.take()
	l.Note("edge", peerOf(printOf(2*maxWaiting)), 1) // meanwhile
	l.putBack(late, b.err)
	if len(l.waiting) != maxWaiting || len(l.known) != maxWaiting {
		t.Errorf("%d wait, %d are known when others have come", len(l.waiting), len(l.known))
	}
	b.err = nil
	l.Flush(t.Context())
	if len(b.seen) != maxWaiting || l.waiting != nil {
		t.Errorf("%d written, %d wait", len(b.seen), len(l.waiting))
	}
	b.err = &storage.ConflictError{Rule: "what can never be written"}
	l.Note("edge", peerOf(printOf(3*maxWaiting)), 1)
	l.Flush(t.Context())
	if len(l.waiting) > 0 {
		t.Error("what can never be written holds up the others")
	}
	if _, err := New(Config{}); err == nil {
		t.Error("a log without a store")
	}
}

func (b *book) RegistrationVersion(context.Context) (int64, error) { return 7, nil }

// TestLateNotes: a note that rests on a registration which has changed is judged in
// the transaction that writes it, and what is told then is told at once.
func TestLateNotes(t *testing.T) {
	var late []thumbprint.Thumbprint
	told, failing := 0, error(nil)
	b := &book{}
	l, err := New(Config{
		Store: b, Clock: time.Now, Logger: slog.New(slog.DiscardHandler), Told: func() { told++ },
		Late: func(_ context.Context, _ storage.Tx, seen []storage.Certificate) (bool, error) {
			for _, c := range seen {
				late = append(late, c.Thumbprint)
			}
			return true, failing
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	l.Note("edge", peerOf(printOf(1)), 7)
	l.Flush(t.Context())
	if len(late) != 0 || told != 0 {
		t.Errorf("a note of the present registration: %v", late)
	}
	l.Note("edge", peerOf(printOf(2)), 6)
	l.Note("edge", peerOf(printOf(3)), 7)
	l.Flush(t.Context())
	if !slices.Equal(late, []thumbprint.Thumbprint{printOf(2)}) || told != 1 {
		t.Errorf("late %v, told %d times", late, told)
	}
	failing = errors.New("no disk")
	l.Note("edge", peerOf(printOf(4)), 6)
	l.Flush(t.Context())
	if told != 1 || len(late) != 2 {
		t.Errorf("what could not be written: told %d times, %d late", told, len(late))
	}
	failing = nil
	l.Flush(t.Context())
	if told != 2 || len(late) != 3 {
		t.Errorf("written the second time: told %d times, %d late", told, len(late))
	}
}

// TestWrittenLater: nobody has to use a certificate again for its note to be written.
func TestWrittenLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &book{err: errors.New("no disk")}
		l, err := New(Config{Store: b, Clock: time.Now, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); l.Run(ctx) }()
		l.Note("edge", peerOf(printOf(1)), 1)
		<-time.After(3 * every)
		b.mu.Lock()
		b.err = nil
		b.mu.Unlock()
		<-time.After(2 * every)
		synctest.Wait()
		if len(b.seen) != 1 {
			t.Errorf("%d notes", len(b.seen))
		}
		stop()
		<-done
	})
}

// TestPresented: what comes with a certificate is kept in one piece, within a bound.
func TestPresented(t *testing.T) {
	one, two := &x509.Certificate{Raw: []byte("one")}, &x509.Certificate{Raw: []byte("two")}
	large := &x509.Certificate{Raw: make([]byte, maxPresented)}
	if got := presented([]*x509.Certificate{one, two}); string(got) != "onetwo" {
		t.Errorf("kept %q", got)
	}
	if got := presented([]*x509.Certificate{large, one}); got != nil {
		t.Errorf("%d bytes kept", len(got))
	}
	if got := presented(nil); got != nil {
		t.Errorf("nothing is %q", got)
	}
}
