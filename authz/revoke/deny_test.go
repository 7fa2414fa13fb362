package revoke_test

import (
	"net/http"
	"testing"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/internal/authztest"
	"github.com/certbound/certbound/authz/oauth"
	"github.com/certbound/certbound/authz/revoke"
	"github.com/certbound/certbound/storage"
)

// TestManyTokensBecomeOneEntry: a client that revokes more tokens one by one than
// resource servers are to carry ends all of its tokens, in one entry, and nobody
// else's.
func TestManyTokensBecomeOneEntry(t *testing.T) {
	w := &world{World: authztest.New(t)}
	endpoint, err := revoke.New(revoke.Config{
		Authenticator: w.Auth, Tokens: w.Tokens, Store: w.Store, Audit: w.Recorder, Notifier: &revoke.Notifier{},
		MaxSingle: 3, Clock: w.Clock, Logger: w.Logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("POST "+oauth.PathRevoke, endpoint)
	w.server = w.Serve(mux)

	tokens := make([]string, 5)
	for i := range tokens {
		tokens[i] = w.Sign(w.Claims(authztest.ClientA))
	}
	others := w.Claims(authztest.ClientB)
	checkDone(t, w.revoke(authztest.ClientB, w.Sign(others)))
	for _, token := range tokens[:3] {
		checkDone(t, w.revoke(authztest.ClientA, token))
	}
	if n := len(w.entries()); n != 4 {
		t.Fatalf("%d entries for four tokens", n)
	}
	checkDone(t, w.revoke(authztest.ClientA, tokens[3]))
	entries := w.entries()
	if len(entries) != 2 || entries[0].Subject != others.ID || entries[1].Kind != storage.FeedClient ||
		entries[1].Subject != authztest.ClientA || entries[1].MinGeneration != 2 {
		t.Fatalf("the feed is %+v", entries)
	}
	client, err := w.Store.Client(t.Context(), authztest.ClientA)
	if err != nil || client.Generation != 2 || client.Disabled {
		t.Errorf("the client is %+v, %v", client, err)
	}
	// The same again, and tokens that ended with the others: nothing is added.
	for _, token := range tokens {
		checkDone(t, w.revoke(authztest.ClientA, token))
	}
	if n := len(w.entries()); n != 2 {
		t.Errorf("%d entries after tokens were revoked that are over", n)
	}
	if n := len(w.Events(audit.TokensRevoked)); n != 1 {
		t.Errorf("%d events say that all tokens ended", n)
	}
}
