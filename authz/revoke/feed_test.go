package revoke_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/internal/authztest"
	"github.com/certbound/certbound/authz/oauth"
	"github.com/certbound/certbound/keys"
	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/resource/accesstoken"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/resource/revokefeed"
	"github.com/certbound/certbound/storage"
)

func (w *world) question(ctx context.Context, caller string, params ...string) *http.Request {
	w.T.Helper()
	query := url.Values{"client_id": {caller}}
	for i := 0; i+1 < len(params); i += 2 {
		query.Add(params[i], params[i+1])
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.server.URL+oauth.PathRevocations+"?"+query.Encode(), nil)
	if err != nil {
		w.T.Fatal(err)
	}
	return r
}

// follow asks as the accounts API's resource server.
func (w *world) follow(params ...string) authztest.Answer {
	w.T.Helper()
	rs := authztest.AccountsServer
	return w.Do(w.HTTPClient(w.server, w.Pair(rs)), w.question(w.T.Context(), rs, params...))
}

// read verifies an answer as a follower does.
func (w *world) read(a authztest.Answer) *revokefeed.Feed {
	w.T.Helper()
	if a.Status != 200 || a.Header.Get("Content-Type") != "application/jwt" || a.Header.Get("Cache-Control") != "no-store" {
		w.T.Fatalf("%d %v %s", a.Status, a.Header, a.Body)
	}
	jws, err := jose.ParseSignedCompact(a.Body, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		w.T.Fatal(err)
	}
	h := jws.Signatures[0].Protected
	key, ok := w.FeedRing.PublicKey(h.KeyID)
	if !ok || h.ExtraHeaders[jose.HeaderType] != revokefeed.Type {
		w.T.Fatalf("kid %q, typ %v", h.KeyID, h.ExtraHeaders[jose.HeaderType])
	}
	payload, err := jws.Verify(key)
	if err != nil {
		w.T.Fatal(err)
	}
	feed, err := revokefeed.Parse(payload)
	if err != nil {
		w.T.Fatal(err)
	}
	return feed
}

// append commits entries for these jtis as another instance would: nobody here
// is notified.
func (w *world) append(entries ...storage.FeedEntry) {
	w.T.Helper()
	for i := range entries {
		entries[i].CreatedAt, entries[i].ExpiresAt = w.Clock(), w.Clock().Add(time.Hour)
	}
	w.Update(func(ctx context.Context, tx storage.Tx) error {
		_, err := tx.AppendFeed(ctx, entries)
		return err
	})
}

func deny(jti string) storage.FeedEntry {
	return storage.FeedEntry{Kind: storage.FeedToken, Action: storage.FeedDeny, Subject: jti}
}

func TestFeed(t *testing.T) {
	w := newWorld(t)
	print := w.Claims(authztest.ClientA).Thumbprint.String()
	w.append(
		deny("t1"),
		storage.FeedEntry{Kind: storage.FeedClient, Action: storage.FeedDeny, Subject: authztest.ClientA, MinGeneration: 3},
		storage.FeedEntry{Kind: storage.FeedCertificate, Action: storage.FeedDeny, Subject: print},
		storage.FeedEntry{Kind: storage.FeedKey, Action: storage.FeedDeny, Subject: "k9"},
		storage.FeedEntry{Kind: storage.FeedToken, Action: storage.FeedLift, Subject: "t1"},
	)
	full := w.read(w.follow("after", "0"))
	if !full.Full || full.Seq != 5 || full.Head != 5 || full.Issuer != authztest.Issuer || !full.IssuedAt.Equal(w.Clock()) || full.Expiry.Sub(full.IssuedAt) != revokefeed.Lifetime {
		t.Errorf("full feed %+v", full)
	}
	want := []revokefeed.Entry{
		{Kind: revokefeed.KindClient, Action: revokefeed.ActionDeny, Subject: authztest.ClientA, MinGeneration: 3, Seq: 2},
		{Kind: revokefeed.KindCertificate, Action: revokefeed.ActionDeny, Subject: print, Seq: 3},
		{Kind: revokefeed.KindKey, Action: revokefeed.ActionDeny, Subject: "k9", Seq: 4},
	}
	for i := range want {
		want[i].Expires = w.Clock().Add(time.Hour)
	}
	if fmt.Sprint(full.Entries) != fmt.Sprint(want) {
		t.Errorf("entries %v, want %v", full.Entries, want)
	}
	delta := w.read(w.follow("after", "4"))
	if delta.Full || delta.After != 4 || delta.Seq != 5 || len(delta.Entries) != 1 || delta.Entries[0].Action != revokefeed.ActionLift {
		t.Errorf("delta %+v", delta)
	}
	if nothing := w.read(w.follow("after", "5", "wait", "0s")); nothing.Full || len(nothing.Entries) != 0 || nothing.Seq != 5 {
		t.Errorf("nothing new: %+v", nothing)
	}
	// A follower that is ahead is answered at once, so that it sees we went back.
	if ahead := w.read(w.follow("after", "9", "wait", "30s")); !ahead.Full || ahead.Head != 5 {
		t.Errorf("ahead: %+v", ahead)
	}
	if default0 := w.read(w.follow()); !default0.Full {
		t.Errorf("without after: %+v", default0)
	}
}

func TestFeedRefusals(t *testing.T) {
	w := newWorld(t)
	rs := authztest.AccountsServer
	const failed = decision.ClientAuthenticationFailed
	for _, c := range []struct {
		name         string
		pair         *keystest.Pair
		id           string
		params       []string
		status       int
		code         string
		public, real decision.Reason
	}{
		{"no certificate", nil, rs, nil, 401, "invalid_client", decision.CertificateMissing, decision.CertificateMissing},
		{"another's certificate", w.Pair(authztest.ClientA), rs, nil, 401, "invalid_client", failed, decision.SubjectMismatch},
		{"no resource server", w.Pair(authztest.ClientA), authztest.ClientA, nil, 403, "access_denied", decision.NotAResourceServer, decision.NotAResourceServer},
		{"no client_id", w.Pair(rs), "", nil, 400, "invalid_request", decision.RequestMalformed, decision.RequestMalformed},
		{"client_id twice", w.Pair(rs), rs, []string{"client_id", authztest.ClientA}, 400, "invalid_request", decision.ParameterRepeated, decision.ParameterRepeated},
		{"a secret too", w.Pair(rs), rs, []string{"client_secret", "x"}, 400, "invalid_request", failed, decision.MultipleCredentials},
		{"negative after", w.Pair(rs), rs, []string{"after", "-1"}, 400, "invalid_request", decision.RequestMalformed, decision.RequestMalformed},
		{"signed after", w.Pair(rs), rs, []string{"after", "+1"}, 400, "invalid_request", decision.RequestMalformed, decision.RequestMalformed},
		{"after beyond all numbers", w.Pair(rs), rs, []string{"after", "9223372036854775808"}, 400, "invalid_request", decision.RequestMalformed, decision.RequestMalformed},
		{"wait without unit", w.Pair(rs), rs, []string{"wait", "25"}, 400, "invalid_request", decision.RequestMalformed, decision.RequestMalformed},
		{"negative wait", w.Pair(rs), rs, []string{"wait", "-1s"}, 400, "invalid_request", decision.RequestMalformed, decision.RequestMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := w.Do(w.HTTPClient(w.server, c.pair), w.question(t.Context(), c.id, c.params...))
			if a.Status != c.status || a.Error() != c.code || a.Reason() != string(c.public) {
				t.Errorf("%d %s, want %d %s %s", a.Status, a.Body, c.status, c.code, c.public)
			}
			if logged := w.Log.Decision(t, a); logged["reason"] != string(c.real) {
				t.Errorf("logged %v, want %s", logged["reason"], c.real)
			}
		})
	}
	for _, method := range []string{"Client", "IsResourceServer", "FeedSeq", "FeedEntries"} {
		w.Broken.Break(method)
		if a := w.follow("wait", "1s"); a.Status != 503 || a.Reason() != string(decision.StorageUnavailable) {
			t.Errorf("%s: %d %s", method, a.Status, a.Body)
		}
	}
	w.Flush()
	if n := len(w.Events(audit.FeedRefused)); n != 15 {
		t.Errorf("%d refusals recorded, want 15", n)
	}
}

// waiting begins a question that has to wait, and returns when it does.
func (w *world) waiting(ctx context.Context, client *http.Client, after string) <-chan authztest.Answer {
	w.T.Helper()
	r := w.question(ctx, authztest.AccountsServer, "after", after, "wait", "30s")
	before := w.Broken.SeqsRead()
	answers := make(chan authztest.Answer, 1)
	go func() {
		defer close(answers)
		a, err := authztest.Do(client, r)
		if err == nil {
			answers <- a
		}
	}()
	for w.Broken.SeqsRead() == before { // it waits once it has seen that there is nothing new
		runtime.Gosched()
	}
	return answers
}

// TestFollowersAreWoken: by what this instance commits, by what another one
// does, by the end of either side.
func TestFollowersAreWoken(t *testing.T) {
	rs := authztest.AccountsServer
	t.Run("by a revocation here", func(t *testing.T) {
		w := newWorld(t)
		answers := w.waiting(t.Context(), w.HTTPClient(w.server, w.Pair(rs)), "0")
		claims := w.Claims(authztest.ClientA)
		checkDone(t, w.revoke(authztest.ClientA, w.Sign(claims)))
		if feed := w.read(<-answers); feed.Seq != 1 || len(feed.Entries) != 1 || feed.Entries[0].Subject != claims.ID {
			t.Errorf("%+v", feed)
		}
	})
	t.Run("by another instance", func(t *testing.T) {
		w := newWorld(t)
		w.runFeed()
		answers := w.waiting(t.Context(), w.HTTPClient(w.server, w.Pair(rs)), "0")
		began := time.Now()
		w.append(deny("t1"))
		if feed := w.read(<-answers); feed.Seq != 1 || feed.Entries[0].Subject != "t1" {
			t.Errorf("%+v", feed)
		}
		if waited := time.Since(began); waited > 10*time.Second { // it is half a second, on a machine that has time
			t.Errorf("after %s", waited)
		}
	})
	t.Run("by shutdown", func(t *testing.T) {
		w := newWorld(t)
		w.runFeed()
		answers := w.waiting(t.Context(), w.HTTPClient(w.server, w.Pair(rs)), "0")
		w.done()
		if feed := w.read(<-answers); feed.Seq != 0 || len(feed.Entries) != 0 {
			t.Errorf("%+v", feed)
		}
		w.read(w.follow("wait", "30s")) // which is not kept waiting any more
	})
	t.Run("by hanging up", func(t *testing.T) {
		w := newWorld(t)
		ctx, hangUp := context.WithCancel(t.Context())
		answers := w.waiting(ctx, w.HTTPClient(w.server, w.Pair(rs)), "0")
		hangUp()
		if _, answered := <-answers; answered {
			t.Error("answered")
		}
		for w.feed.Waiting() != 0 {
			runtime.Gosched()
		}
	})
}

// TestFollowerEndsWhileItWaits: nobody is told anything after he was disabled,
// however long before he asked.
func TestFollowerEndsWhileItWaits(t *testing.T) {
	for name, c := range map[string]struct {
		end    func(*world)
		status int
		why    decision.Reason
	}{
		"client disabled":     {func(w *world) { w.disable(authztest.AccountsServer) }, 401, decision.ClientDisabled},
		"certificate revoked": {func(w *world) { w.denyCertificate(authztest.AccountsServer) }, 401, decision.CertificateRevoked},
		"no resource server any more": {func(w *world) {
			w.Update(func(ctx context.Context, tx storage.Tx) error {
				api, err := tx.API(ctx, "accounts")
				if err != nil {
					return err
				}
				api.ResourceServers = nil
				return tx.UpdateAPI(ctx, api)
			})
		}, 403, decision.NotAResourceServer},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			answers := w.waiting(t.Context(), w.HTTPClient(w.server, w.Pair(authztest.AccountsServer)), "0")
			c.end(w)
			checkDone(t, w.revoke(authztest.ClientA, w.Sign(w.Claims(authztest.ClientA))))
			a := <-answers
			if a.Status != c.status || w.Log.Decision(t, a)["reason"] != string(c.why) {
				t.Errorf("%d %s", a.Status, a.Body)
			}
		})
	}
}

// TestListenerTimeoutsDoNotEndAWait: they are made for short requests.
func TestListenerTimeoutsDoNotEndAWait(t *testing.T) {
	for _, protocol := range []string{"h2", "http/1.1"} {
		t.Run(protocol, func(t *testing.T) {
			w := newWorld(t)
			w.server = w.ServeWithin(100*time.Millisecond, w.server.Config.Handler)
			t.Cleanup(w.feed.Close)
			client := w.HTTPClient(w.server, w.Pair(authztest.AccountsServer))
			if protocol == "http/1.1" {
				transport := client.Transport.(*http.Transport)
				transport.ForceAttemptHTTP2 = false
				transport.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
			}
			feed := w.read(w.Do(client, w.question(t.Context(), authztest.AccountsServer, "wait", "400ms")))
			if !feed.Full || feed.Seq != 0 {
				t.Errorf("%+v", feed)
			}
		})
	}
}

// ringKeys lets a follower find the feed's key.
type ringKeys struct{ ring *keys.Ring }

func (k ringKeys) Keys(_ context.Context, kid string) ([]jose.JSONWebKey, error) {
	key, ok := k.ring.PublicKey(kid)
	if !ok {
		return nil, errors.New("unknown key")
	}
	return []jose.JSONWebKey{key}, nil
}

// TestFollower joins both halves: a token that is revoked here is refused there.
func TestFollower(t *testing.T) {
	w := newWorld(t)
	w.runFeed()
	follower, err := revokefeed.NewFollower(revokefeed.FollowerConfig{
		URL: w.server.URL + oauth.PathRevocations, Issuer: authztest.Issuer, ClientID: authztest.AccountsServer,
		HTTPClient: w.HTTPClient(w.server, w.Pair(authztest.AccountsServer)), Keys: ringKeys{w.FeedRing},
		Clock: w.Clock, Logger: w.Logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- follower.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ran; err != nil {
			t.Error(err)
		}
	}()
	claims, other := w.Claims(authztest.ClientA), w.Claims(authztest.ClientA)
	check := func(c *accesstoken.Claims) decision.Reason {
		reason, _ := follower.Check(c, w.Ring.KeyID())
		return reason
	}
	for w.feed.Waiting() == 0 {
		runtime.Gosched()
	}
	if reason := check(claims); reason != "" {
		t.Fatalf("before: %s", reason)
	}
	checkDone(t, w.revoke(authztest.ClientA, w.Sign(claims)))
	for follower.Seq() == 0 {
		runtime.Gosched()
	}
	if reason := check(claims); reason != decision.TokenRevoked {
		t.Errorf("revoked: %q", reason)
	}
	if reason := check(other); reason != "" {
		t.Errorf("the other: %q", reason)
	}
}

// TestFeedInParts: a follower that catches up gets all there is, in answers that each
// read a part of it only.
func TestFeedInParts(t *testing.T) {
	w := newWorld(t)
	const total = 21_000 // more than is read for one answer (maxRead), and than one holds
	entries := make([]storage.FeedEntry, total)
	for i := range entries {
		entries[i] = deny(fmt.Sprintf("token-%020d", i))
	}
	w.append(entries...)
	for _, from := range []int64{0, 3} { // full, and a delta
		seen := int(from)
		for after := from; ; {
			feed := w.read(w.follow("after", fmt.Sprint(after)))
			if feed.Head != total || feed.Full != (after == 0) || feed.Seq <= after || len(feed.Entries) == 0 {
				t.Fatalf("after %d: %d entries to %d of %d, full %v", after, len(feed.Entries), feed.Seq, feed.Head, feed.Full)
			}
			for _, e := range feed.Entries {
				if e.Subject != fmt.Sprintf("token-%020d", seen) {
					t.Fatalf("entry %d is %s", seen, e.Subject)
				}
				seen++
			}
			if after = feed.Seq; after == total {
				break
			}
		}
		if seen != total {
			t.Errorf("%d entries, want %d", seen, total)
		}
	}
}
