// Package idempotency lets a request be sent again that changes something: for a day
// the same Idempotency-Key of the same administrator gets the answer it got before. The
// answer is kept in the transaction of the change, so either both are there or neither.
package idempotency

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/certbound/certbound/storage"
)

// Header is the name of the request header.
const Header = "Idempotency-Key"

// MaxKey bounds a key, in characters.
const MaxKey = 255

// kept is for how long an answer is given again.
const kept = 24 * time.Hour

// CheckKeys judges the values of the header: there may be one, of 1 to MaxKey visible
// ASCII characters.
func CheckKeys(values []string) error {
	if len(values) > 1 || len(values) == 1 && (!visible(values[0]) || len(values[0]) > MaxKey) {
		return fmt.Errorf("must be one value of 1 to %d visible ASCII characters", MaxKey)
	}
	return nil
}

func visible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}

// Request is one that carries a key.
type Request struct {
	ClientID, Key string
	Hash          [sha256.Size]byte // of everything that decides what it does
	Now           time.Time
}

// Hash tells requests apart. Each part is preceded by its length.
func Hash(r *http.Request, body []byte) (hash [sha256.Size]byte) {
	sum := sha256.New()
	for _, part := range []string{r.Method, r.URL.EscapedPath(), r.URL.RawQuery, string(body)} {
		fmt.Fprintf(sum, "%d:%s", len(part), part)
	}
	sum.Sum(hash[:0])
	return hash
}

// Answer is what a request got.
type Answer struct {
	Status   int             `json:"-"`
	ETag     string          `json:"etag,omitempty"`
	Location string          `json:"location,omitempty"`
	Body     json.RawMessage `json:"body"`
}

// ReusedError says that a key came with another request before.
type ReusedError struct{ At time.Time }

func (e *ReusedError) Error() string {
	return "idempotency: the key was used at " + e.At.Format(time.RFC3339) + " for another request"
}

// Replay returns the answer that the first request with this key got, false when this
// is the first one. For a key that came with another request the error is
// [*ReusedError].
func (r Request) Replay(ctx context.Context, from storage.IdempotencyReader) (a Answer, again bool, err error) {
	stored, err := from.IdempotentAnswer(ctx, r.ClientID, r.Key, r.Now)
	if errors.Is(err, storage.ErrNotFound) {
		return a, false, nil
	}
	if err != nil {
		return a, false, err
	}
	if stored.RequestHash != r.Hash {
		return a, false, &ReusedError{stored.CreatedAt}
	}
	if err := json.Unmarshal(stored.Response, &a); err != nil {
		return a, false, fmt.Errorf("idempotency: a kept answer: %w", err)
	}
	a.Status = stored.Status
	return a, true, nil
}

// Keep stores the answer to the first request with this key.
func (r Request) Keep(ctx context.Context, tx storage.Tx, a Answer) error {
	response, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("idempotency: %w", err)
	}
	return tx.KeepIdempotentAnswer(ctx, storage.IdempotentAnswer{
		ClientID: r.ClientID, Key: r.Key, RequestHash: r.Hash, Status: a.Status, Response: response,
		CreatedAt: r.Now, ExpiresAt: r.Now.Add(kept),
	})
}
