package storage

import (
	"context"
	"time"
)

// IdempotencyReader reads what was answered before.
type IdempotencyReader interface {
	// IdempotentAnswer returns the answer kept for a caller's key that has not
	// expired by now, or ErrNotFound.
	IdempotentAnswer(ctx context.Context, clientID, key string, now time.Time) (IdempotentAnswer, error)
}

// IdempotencyWriter keeps answers, in the transaction that makes what they tell of.
type IdempotencyWriter interface {
	// KeepIdempotentAnswer inserts a, and forgets what had expired when a was made.
	// ErrConflict if the caller has an answer with that key that has not, or if
	// ClientID names no client.
	KeepIdempotentAnswer(ctx context.Context, a IdempotentAnswer) error
}
