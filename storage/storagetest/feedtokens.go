package storagetest

import (
	"context"
	"testing"
	"time"

	"github.com/certbound/certbound/storage"
)

// tokenOf is the denial of one token of a client.
func tokenOf(clientID, jti string, generation int64, expires int) storage.FeedEntry {
	e := denyToken(jti, expires)
	e.ClientID, e.Generation = clientID, generation
	return e
}

// testFeedTokensOfAClient: what a client had denied one by one is counted, and goes
// when its generation says the same.
func testFeedTokensOfAClient(t *testing.T, s storage.Store) {
	ctx := t.Context()
	publish(t, s, tokenOf("edge", "a", 1, 60), tokenOf("edge", "b", 1, 30), tokenOf("edge", "c", 2, 60), tokenOf("other", "d", 1, 60), denyToken("e", 60))
	wantDenials := func(clientID string, now time.Time, limit, want int) {
		t.Helper()
		if n := must[int](t)(s.TokenDenials(ctx, clientID, now, limit)); n != want {
			t.Errorf("%s: %d denials, want %d", clientID, n, want)
		}
	}
	wantDenials("edge", epoch, 100, 3)
	wantDenials("edge", epoch, 2, 2)
	wantDenials("edge", stored(30), 100, 2) // one has expired
	wantDenials("other", epoch, 100, 1)
	wantDenials("nobody", epoch, 100, 0)

	do(t, s, func(tx storage.Tx) error { return tx.DropTokenDenials(ctx, "edge", 2) })
	wantDenials("edge", epoch, 100, 1)
	wantDenials("other", epoch, 100, 1)
	wantFeed(t, s, 0, epoch, "full to 5: 3 4 5")
	do(t, s, func(tx storage.Tx) error { return tx.DropTokenDenials(ctx, "edge", 2) }) // nothing is left to go

	for name, e := range map[string]storage.FeedEntry{
		"a client without a generation": tokenOf("edge", "x", 0, 60), "a generation of nobody": tokenOf("", "x", 1, 60),
		"a key of a client": {Kind: storage.FeedKey, Action: storage.FeedDeny, Subject: "k", ExpiresAt: at(60), ClientID: "edge", Generation: 1},
	} {
		refused := func(ctx context.Context, tx storage.Tx) error {
			_, err := tx.AppendFeed(ctx, []storage.FeedEntry{e})
			return err
		}
		if failing(t, s, refused) == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
