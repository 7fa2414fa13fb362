package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/migrations"
	"github.com/certbound/certbound/storage"
	"github.com/google/go-cmp/cmp"
	_ "modernc.org/sqlite"
)

var errCollision = errors.New("could not serialize access")

// colliding stands for a database that refuses transactions because of
// concurrent ones, as PostgreSQL does.
func colliding() Dialect {
	return Dialect{
		Conflict: func(error) (string, bool) { return "", false },
		Retry:    func(err error) bool { return errors.Is(err, errCollision) },
	}
}

func newStore(t testing.TB, d Dialect) *Store {
	t.Helper()
	path := "file:" + filepath.Join(t.TempDir(), "certbound.db") + "?_pragma=busy_timeout(20000)&_pragma=foreign_keys(1)&_txlock=immediate"
	schema, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = migrations.Up(t.Context(), migrations.SQLite, schema)
	if err := errors.Join(err, schema.Close()); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	s := New(Config{Reads: db, Writes: db, Dialect: d})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func create(ctx context.Context, tx storage.Tx, id string) error {
	return tx.CreatePartner(ctx, storage.Partner{ID: id, CreatedAt: time.Unix(1, 0)})
}

// TestRetry: the closure runs again after a collision, in a transaction that
// knows nothing of the first.
func TestRetry(t *testing.T) {
	s := newStore(t, colliding())
	ctx := t.Context()
	runs := 0
	err := s.Update(ctx, func(tx storage.Tx) error {
		runs++
		if err := create(ctx, tx, "acme"); err != nil { // would be taken if the first run had left it
			return err
		}
		if runs < 3 {
			return fmt.Errorf("storage: %w", errCollision)
		}
		return nil
	})
	if err != nil || runs != 3 {
		t.Errorf("%d runs, error %v; want 3 and none", runs, err)
	}
	if _, err := s.Partner(ctx, "acme"); err != nil {
		t.Error(err)
	}
}

func TestRetryEnds(t *testing.T) {
	s := newStore(t, colliding())
	runs := 0
	err := s.Update(t.Context(), func(storage.Tx) error { runs++; return errCollision })
	if runs != maxAttempts || !errors.Is(err, errCollision) {
		t.Errorf("%d runs, error %v; want %d and the collision", runs, err, maxAttempts)
	}

	ctx, cancel := context.WithCancel(t.Context())
	runs = 0
	err = s.Update(ctx, func(storage.Tx) error {
		runs++
		cancel()
		return errCollision
	})
	if runs != 1 || !errors.Is(err, context.Canceled) {
		t.Errorf("%d runs with a dead context, error %v", runs, err)
	}

	runs = 0
	own := errors.New("the caller's own")
	if err := s.Update(t.Context(), func(storage.Tx) error { runs++; return own }); !errors.Is(err, own) || runs != 1 {
		t.Errorf("%d runs, error %v; want 1 and the caller's own", runs, err)
	}
}

// TestPoison: after a failed write nothing of the transaction can be committed,
// even for errors that are no conflicts.
func TestPoison(t *testing.T) {
	s := newStore(t, colliding())
	ctx := t.Context()
	err := s.Update(ctx, func(tx storage.Tx) error {
		if err := create(ctx, tx, "acme"); err != nil {
			return err
		}
		if err := tx.UpdatePartner(ctx, storage.Partner{ID: "nobody", Version: 1}); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("got error %v, want ErrNotFound", err)
		}
		return nil
	})
	if !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Update: got error %v, want ErrNotFound", err)
	}
	if _, err := s.Partner(ctx, "acme"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("half of the transaction was committed: error %v", err)
	}
}

// TestStatements: texts are prepared once, whoever asks first.
func TestStatements(t *testing.T) {
	s := newStore(t, colliding())
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			if _, err := s.Client(t.Context(), "nobody"); !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("got error %v", err)
			}
			scopes := strings.Split(strings.Repeat("x ", i), " ")
			if _, err := s.APIsOwningScopes(t.Context(), scopes); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	// The client query, and lists of 1, 2, 4, … 64 scopes.
	if n := len(s.statements.byText); n != 8 {
		t.Errorf("%d statements are prepared, want 8", n)
	}
}

func TestPlaceholders(t *testing.T) {
	for _, c := range []struct {
		values []string
		text   string
		args   []any
	}{
		{[]string{"a"}, "$1", []any{"a"}},
		{[]string{"a", "b"}, "$1, $2", []any{"a", "b"}},
		{[]string{"a", "b", "c"}, "$1, $2, $3, $4", []any{"a", "b", "c", "c"}},
	} {
		text, args := placeholders(c.values)
		if diff := cmp.Diff(c.args, args); text != c.text || diff != "" {
			t.Errorf("%q: text %s, args (-want +got):\n%s", c.values, text, diff)
		}
	}
}

// TestColumns: what is stored as something else is an error, not a zero value.
func TestColumns(t *testing.T) {
	var (
		instant time.Time
		word    string
		words   []string
		print   thumbprint.Thumbprint
		hash    storage.AuditHash
		number  int64
	)
	for name, c := range map[string]struct {
		into sql.Scanner
		src  any
		want string // "" for no error
	}{
		"time":             {timeInto{&instant}, int64(5), ""},
		"no time":          {timeInto{&instant}, nil, ""},
		"time as text":     {timeInto{&instant}, "now", "a time is stored as string"},
		"text":             {intoText(&word), "a", ""},
		"text as bytes":    {intoText(&word), []byte("a"), ""},
		"text as number":   {intoText(&word), int64(1), "a text is stored as int64"},
		"words as number":  {wordsInto{&words}, int64(1), "a text is stored as int64"},
		"thumbprint":       {thumbprintInto{&print}, make([]byte, 32), ""},
		"short thumbprint": {thumbprintInto{&print}, make([]byte, 31), "a thumbprint is stored as []uint8 of 31 bytes"},
		"no thumbprint":    {thumbprintInto{&print}, nil, "a thumbprint is stored as <nil> of 0 bytes"},
		"hash":             {hashInto{&hash}, make([]byte, 32), ""},
		"short hash":       {hashInto{&hash}, make([]byte, 31), "a hash is stored as []uint8 of 31 bytes"},
		"no hash":          {hashInto{&hash}, nil, "a hash is stored as <nil> of 0 bytes"},
		"absent":           {optional{thumbprintInto{&print}}, nil, ""},
		"half a print":     {optional{thumbprintInto{&print}}, []byte{1}, "a thumbprint is stored as []uint8 of 1 bytes"},
		"no number":        {orZero(&number), nil, ""},
		"number as text":   {orZero(&number), "1", "a number is stored as string"},
	} {
		err := c.into.Scan(c.src)
		if got := fmt.Sprint(err); (c.want == "" && err != nil) || (c.want != "" && got != c.want) {
			t.Errorf("%s: got error %v, want %q", name, err, c.want)
		}
	}
	if err := (wordsInto{&words}).Scan("b c a"); err != nil || strings.Join(words, ",") != "a,b,c" {
		t.Errorf("words %q, error %v", words, err)
	}
	if err := (wordsInto{&words}).Scan(nil); err != nil || words != nil {
		t.Errorf("no words: %q, error %v", words, err)
	}
	if seconds(time.Time{}) != nil || seconds(time.Unix(7, 999)) != int64(7) {
		t.Error("times are not stored as whole seconds")
	}
}
