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
	never   string        // client of which nothing can be stored
	disk    chan struct{} // a commit waits for it; nil: none does
}

func (b *book) Update(ctx context.Context, fn func(storage.Tx) error) error {
	if b.disk != nil {
		select {
		case <-b.disk:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return b.err
	}
	b.commits++
	return fn(b)
}

func (b *book) SeeCertificates(_ context.Context, seen []storage.Certificate) error {
	if slices.ContainsFunc(seen, func(c storage.Certificate) bool { return c.ClientID == b.never }) {
		return &storage.ConflictError{Rule: "what can never be written"}
	}
	b.seen = append(b.seen, seen...)
	return nil
}

func printOf(n int) thumbprint.Thumbprint {
	return thumbprint.Thumbprint{byte(n), byte(n >> 8), byte(n >> 16)}
}

func peerOf(t thumbprint.Thumbprint, presented ...*x509.Certificate) *peercert.Peer {
	return &peercert.Peer{Leaf: &x509.Certificate{Raw: []byte("der")}, Thumbprint: t, Intermediates: presented}
}

func logOf(t *testing.T, b *book) *Log {
	t.Helper()
	l, err := New(Config{Store: b, Clock: time.Now, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func mustNote(t *testing.T, l *Log, client string, n int) {
	t.Helper()
	if err := l.Note(t.Context(), client, 1, peerOf(printOf(n))); err != nil {
		t.Errorf("%s, certificate %d: %v", client, n, err)
	}
}

// TestNotes: many uses of a certificate are one note, which is on record when the
// first of them goes on.
func TestNotes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &book{}
		l := logOf(t, b)
		for range 1000 {
			for n := range 10 {
				mustNote(t, l, "edge", n)
				if len(b.seen) < n+1 {
					t.Fatalf("certificate %d is used and not on record", n)
				}
			}
		}
		mustNote(t, l, "other", 1)
		if len(b.seen) != 11 {
			t.Errorf("%d notes", len(b.seen))
		}
		for range 2 { // the record may have been taken away
			if err := l.Note(t.Context(), "edge", 2, peerOf(printOf(2))); err != nil || len(b.seen) != 12 {
				t.Errorf("of another generation: %d notes, %v", len(b.seen), err)
			}
		}
		<-time.After(coarse) // of the bubble: it passes at once
		mustNote(t, l, "edge", 1)
		if len(b.seen) != 13 || !b.seen[12].LastSeen.After(b.seen[0].LastSeen) {
			t.Errorf("%d notes after a while", len(b.seen))
		}
	})
}

// TestNobodyGoesAhead: who uses a certificate while its note is under way waits for
// it too, and those who wait share a commit.
func TestNobodyGoesAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &book{disk: make(chan struct{})}
		l := logOf(t, b)
		var all sync.WaitGroup
		noted := 0
		var mu sync.Mutex
		for n := range 100 {
			all.Go(func() {
				mustNote(t, l, "edge", n%20)
				mu.Lock()
				defer mu.Unlock()
				noted++
			})
		}
		synctest.Wait()
		if noted != 0 {
			t.Errorf("%d did not wait", noted)
		}
		b.disk <- struct{}{}
		synctest.Wait()
		b.disk <- struct{}{}
		all.Wait()
		if len(b.seen) != 20 || b.commits != 2 {
			t.Errorf("%d notes in %d commits", len(b.seen), b.commits)
		}
	})
}

// TestNotWritten: what could not be written is said to everybody who waits for it, and
// is written with the next use.
func TestNotWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &book{err: errors.New("no disk")}
		l := logOf(t, b)
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				if err := l.Note(t.Context(), "edge", 1, peerOf(printOf(1))); err == nil {
					t.Error("noted without a disk")
				}
			})
		}
		all.Wait()
		b.err = nil
		mustNote(t, l, "edge", 1)
		if len(b.seen) != 1 || len(l.known) != 1 {
			t.Errorf("%d notes, %d known", len(b.seen), len(l.known))
		}
	})
}

// TestWhoLeaves: one caller who leaves undoes nobody's note, be it that he had the
// turn, and a disk that hangs holds nobody for ever.
func TestWhoLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &book{disk: make(chan struct{})}
		l := logOf(t, b)
		var all sync.WaitGroup
		all.Go(func() {
			if err := l.Note(t.Context(), "edge", 1, peerOf(printOf(1))); err == nil {
				t.Error("noted on a disk that hangs")
			}
		})
		synctest.Wait()
		ctx, leave := context.WithCancel(t.Context())
		all.Go(func() {
			if err := l.Note(ctx, "edge", 1, peerOf(printOf(2))); !errors.Is(err, context.Canceled) {
				t.Errorf("who has left: %v", err)
			}
		})
		synctest.Wait()
		leave()
		all.Wait()
		close(b.disk)
		mustNote(t, l, "edge", 3)
		if len(b.seen) != 2 {
			t.Errorf("%d notes, want that of who has left, and the last", len(b.seen))
		}
	})
}

// TestConflict: what the database will never take costs nobody else the token.
func TestConflict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &book{never: "deleted", disk: make(chan struct{})}
		l := logOf(t, b)
		var all sync.WaitGroup
		all.Go(func() { mustNote(t, l, "first", 0) })
		synctest.Wait()
		for n := range 5 {
			all.Go(func() { mustNote(t, l, "edge", n) })
		}
		all.Go(func() {
			if err := l.Note(t.Context(), "deleted", 1, peerOf(printOf(9))); !errors.Is(err, storage.ErrConflict) {
				t.Errorf("got error %v", err)
			}
		})
		synctest.Wait()
		close(b.disk)
		all.Wait()
		if len(b.seen) != 6 {
			t.Errorf("%d notes", len(b.seen))
		}
	})
}

// TestBounds: nothing grows without end.
func TestBounds(t *testing.T) {
	l := logOf(t, &book{})
	for n := range maxKnown + 10 {
		mustNote(t, l, "edge", n)
	}
	if len(l.known) > maxKnown {
		t.Errorf("%d are known", len(l.known))
	}
	if _, err := New(Config{}); err == nil {
		t.Error("a log without a store")
	}
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
