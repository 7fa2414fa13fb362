package storagetest

import (
	"context"
	"testing"

	"github.com/certbound/certbound/storage"
)

func idempotentAnswer(clientID, key string, created int) storage.IdempotentAnswer {
	return storage.IdempotentAnswer{
		ClientID: clientID, Key: key, RequestHash: [32]byte{1, 2, 255}, Status: 201, Response: []byte("{}\x00\xff"),
		CreatedAt: at(created), ExpiresAt: at(created + 60),
	}
}

func testIdempotentAnswers(t *testing.T, s storage.Store) {
	seed(t, s)
	ctx := t.Context()
	keep := func(a storage.IdempotentAnswer) func(context.Context, storage.Tx) error {
		return func(ctx context.Context, tx storage.Tx) error { return tx.KeepIdempotentAnswer(ctx, a) }
	}
	do(t, s, func(tx storage.Tx) error {
		if err := tx.CreateClient(ctx, selfSignedClient("root")); err != nil {
			return err
		}
		if err := tx.CreateClient(ctx, selfSignedClient("deputy")); err != nil {
			return err
		}
		return tx.KeepIdempotentAnswer(ctx, idempotentAnswer("root", "k", 0))
	})
	want := idempotentAnswer("root", "k", 0)
	want.CreatedAt, want.ExpiresAt = stored(0), stored(60)
	read := must[storage.IdempotentAnswer](t)
	same(t, "kept answer", read(s.IdempotentAnswer(ctx, "root", "k", at(59))), want)
	for _, c := range []struct {
		client, key string
		now         int
	}{{"root", "k", 60}, {"root", "K", 1}, {"deputy", "k", 1}} {
		_, err := s.IdempotentAnswer(ctx, c.client, c.key, at(c.now))
		notFound(t, c.client+"'s "+c.key, err)
	}
	checkRefused(t, s, []refused{
		{"key taken", keep(idempotentAnswer("root", "k", 30)), storage.ErrConflict},
		{"no such client", keep(idempotentAnswer("nobody", "k", 0)), storage.ErrConflict},
	})
	// Another's key is another key; one that has expired is free again.
	do(t, s, func(tx storage.Tx) error { return tx.KeepIdempotentAnswer(ctx, idempotentAnswer("deputy", "k", 30)) })
	do(t, s, func(tx storage.Tx) error { return tx.KeepIdempotentAnswer(ctx, idempotentAnswer("root", "k", 60)) })
	want.CreatedAt, want.ExpiresAt = stored(60), stored(120)
	same(t, "kept again", read(s.IdempotentAnswer(ctx, "root", "k", at(61))), want)
	if a := read(s.IdempotentAnswer(ctx, "deputy", "k", at(61))); a.Status != 201 {
		t.Errorf("an answer that has not expired is %+v", a)
	}
}
