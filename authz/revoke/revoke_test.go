package revoke_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/internal/authztest"
	"github.com/certbound/certbound/authz/oauth"
	"github.com/certbound/certbound/authz/revoke"
	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/resource/accesstoken"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/storage"
)

type world struct {
	*authztest.World
	feed   *revoke.Feed
	server *httptest.Server
	done   func() // ends feed.Run
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{World: authztest.New(t)}
	notifier := &revoke.Notifier{}
	endpoint, err := revoke.New(revoke.Config{
		Authenticator: w.Auth, Tokens: w.Tokens, Store: w.Broken, Audit: w.Recorder, Notifier: notifier, Clock: w.Clock, Logger: w.Logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.feed, err = revoke.NewFeed(revoke.FeedConfig{
		Issuer: authztest.Issuer, Authenticator: w.Auth, Records: w.Broken, Signer: w.FeedRing, Audit: w.Recorder,
		Notifier: notifier, Clock: w.Clock, Logger: w.Logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("POST "+oauth.PathRevoke, endpoint)
	mux.Handle("GET "+oauth.PathRevocations, w.feed)
	w.server = w.Serve(mux)
	t.Cleanup(w.feed.Close) // before the server, which waits for whoever waits here
	return w
}

// runFeed watches the database, as Server.Run does.
func (w *world) runFeed() {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.feed.Run(ctx)
	}()
	w.done = func() {
		stop()
		<-done
	}
	w.T.Cleanup(w.done)
}

func (w *world) request(caller, token string, more ...string) *http.Request {
	w.T.Helper()
	form := url.Values{"client_id": {caller}, "token": {token}}
	for i := 0; i+1 < len(more); i += 2 {
		form.Add(more[i], more[i+1])
	}
	return w.Form(w.server.URL+oauth.PathRevoke, form.Encode())
}

// revoke has the client revoke token with its own certificate.
func (w *world) revoke(caller, token string, more ...string) authztest.Answer {
	w.T.Helper()
	return w.Do(w.HTTPClient(w.server, w.Pair(caller)), w.request(caller, token, more...))
}

func (w *world) entries() []storage.FeedEntry {
	w.T.Helper()
	feed, err := w.Store.FeedEntries(context.Background(), 0, w.Clock(), 1000)
	if err != nil {
		w.T.Fatal(err)
	}
	return feed.Entries
}

func (w *world) denied(jti string) bool {
	w.T.Helper()
	denied, err := w.Store.Denied(context.Background(), storage.FeedToken, jti, w.Clock())
	if err != nil {
		w.T.Fatal(err)
	}
	return denied
}

func checkDone(t *testing.T, a authztest.Answer) {
	t.Helper()
	if a.Status != http.StatusOK || a.Body != "" || a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Content-Type") != "" {
		t.Errorf("%d %q %v, want 200 and nothing", a.Status, a.Body, a.Header)
	}
}

func TestRevoke(t *testing.T) {
	w := newWorld(t)
	claims, other := w.Claims(authztest.ClientA), w.Claims(authztest.ClientA)
	token := w.Sign(claims)
	for range 2 { // twice is once
		checkDone(t, w.revoke(authztest.ClientA, token, "token_type_hint", "refresh_token"))
	}
	if !w.denied(claims.ID) || w.denied(other.ID) {
		t.Errorf("denied: %v, the other: %v", w.denied(claims.ID), w.denied(other.ID))
	}
	entries := w.entries()
	if len(entries) != 1 || entries[0].Subject != claims.ID || !entries[0].ExpiresAt.Equal(claims.Expiry.Add(time.Minute)) {
		t.Errorf("entries %+v", entries)
	}
	events := w.Events(audit.TokenRevoked)
	if len(events) != 1 || events[0].ClientID != authztest.ClientA || events[0].PartnerID != "acme" || events[0].TokenID != claims.ID || events[0].Reason != "" || events[0].RequestID == "" {
		t.Errorf("events %+v", events)
	}
	if strings.Contains(w.Log.Text(), token) {
		t.Error("the token stands in the log")
	}
}

// TestRevokeManyAtOnce: one entry and one event, however many ask.
func TestRevokeManyAtOnce(t *testing.T) {
	w := newWorld(t)
	token := w.Sign(w.Claims(authztest.ClientA))
	client := w.HTTPClient(w.server, w.Pair(authztest.ClientA))
	var all sync.WaitGroup
	for range 20 {
		r := w.request(authztest.ClientA, token)
		all.Go(func() {
			a, err := authztest.Do(client, r)
			if err != nil || a.Status != 200 || a.Body != "" {
				t.Errorf("%d %q %v", a.Status, a.Body, err)
			}
		})
	}
	all.Wait()
	if n, m := len(w.entries()), len(w.Events(audit.TokenRevoked)); n != 1 || m != 1 {
		t.Errorf("%d entries and %d events", n, m)
	}
}

// TestRevokeAfterRenewal: the token is bound to the certificate before.
func TestRevokeAfterRenewal(t *testing.T) {
	w := newWorld(t)
	claims := w.Claims(authztest.ClientA)
	renewed := w.CA.Client(t, keystest.DNS(authztest.ClientA+".example"))
	checkDone(t, w.Do(w.HTTPClient(w.server, &renewed), w.request(authztest.ClientA, w.Sign(claims))))
	if !w.denied(claims.ID) {
		t.Error("not revoked")
	}
}

// TestNothingToRevoke: one answer for all that is no live token of ours.
func TestNothingToRevoke(t *testing.T) {
	w := newWorld(t)
	expired, foreign := w.Claims(authztest.ClientA), w.Claims(authztest.ClientA)
	expired.IssuedAt, expired.Expiry = w.Clock().Add(-time.Hour), w.Clock()
	foreign.Issuer = "https://other.example"
	// Another client's expired token is not told from garbage either.
	theirs := w.Claims(authztest.ClientB)
	theirs.IssuedAt, theirs.Expiry = w.Clock().Add(-time.Hour), w.Clock()
	payload, err := w.Claims(authztest.ClientA).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	feed, err := w.FeedRing.Sign(payload, accesstoken.Type)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, token string
		why         decision.Reason
	}{
		{"garbage", "garbage", decision.TokenMalformed},
		{"expired", w.Sign(expired), decision.TokenExpired},
		{"another's expired", w.Sign(theirs), decision.TokenExpired},
		{"another issuer's", w.Sign(foreign), decision.IssuerMismatch},
		{"signed by another ring", feed, decision.KeyUnknown},
	} {
		a := w.revoke(authztest.ClientA, c.token)
		checkDone(t, a)
		if logged := w.Log.Decision(t, a); logged["reason"] != string(c.why) || logged["status"] != 200.0 {
			t.Errorf("%s: logged %v %v", c.name, logged["reason"], logged["status"])
		}
	}
	if n, m := len(w.entries()), len(w.Events(audit.TokenRevoked)); n != 0 || m != 0 {
		t.Errorf("%d entries and %d events", n, m)
	}
}

func TestRevokeRefusals(t *testing.T) {
	w := newWorld(t)
	claims := w.Claims(authztest.ClientA)
	token := w.Sign(claims)
	form := func(id, token string) string {
		return url.Values{"client_id": {id}, "token": {token}}.Encode()
	}
	const failed = decision.ClientAuthenticationFailed
	for _, c := range []struct {
		name, body   string
		pair         *keystest.Pair
		status       int
		code         string
		public, real decision.Reason
	}{
		{"another client's token", form(authztest.ClientB, token), w.Pair(authztest.ClientB), 400, "unauthorized_client", decision.TokenOfAnotherClient, decision.TokenOfAnotherClient},
		{"its resource server", form(authztest.AccountsServer, token), w.Pair(authztest.AccountsServer), 400, "unauthorized_client", decision.TokenOfAnotherClient, decision.TokenOfAnotherClient},
		{"a's id with b's certificate", form(authztest.ClientA, token), w.Pair(authztest.ClientB), 401, "invalid_client", failed, decision.SubjectMismatch},
		{"no certificate", form(authztest.ClientA, token), nil, 401, "invalid_client", decision.CertificateMissing, decision.CertificateMissing},
		{"no token", "client_id=" + authztest.ClientA, w.Pair(authztest.ClientA), 400, "invalid_request", decision.RequestMalformed, decision.RequestMalformed},
		{"token twice", form(authztest.ClientA, token) + "&token=x", w.Pair(authztest.ClientA), 400, "invalid_request", decision.ParameterRepeated, decision.ParameterRepeated},
		{"no client_id", "token=" + token, w.Pair(authztest.ClientA), 400, "invalid_request", decision.RequestMalformed, decision.RequestMalformed},
		{"an assertion too", form(authztest.ClientA, token) + "&client_assertion=x", w.Pair(authztest.ClientA), 400, "invalid_request", failed, decision.MultipleCredentials},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := w.Do(w.HTTPClient(w.server, c.pair), w.Form(w.server.URL+oauth.PathRevoke, c.body))
			if a.Status != c.status || a.Error() != c.code || a.Reason() != string(c.public) {
				t.Errorf("%d %s, want %d %s %s", a.Status, a.Body, c.status, c.code, c.public)
			}
			if logged := w.Log.Decision(t, a); logged["reason"] != string(c.real) {
				t.Errorf("logged %v, want %s", logged["reason"], c.real)
			}
		})
	}
	if w.denied(claims.ID) {
		t.Error("one of them revoked the token")
	}
	w.Flush()
	if n := len(w.Events(audit.RevocationRefused)); n != 8 {
		t.Errorf("%d refusals recorded, want 8", n)
	}
}

// TestRevokerEndsOnItsOpenConnection: a stolen certificate revokes nothing once
// it is revoked itself.
func TestRevokerEndsOnItsOpenConnection(t *testing.T) {
	for name, c := range map[string]struct {
		end func(*world)
		why decision.Reason
	}{
		"certificate revoked": {func(w *world) { w.denyCertificate(authztest.ClientA) }, decision.CertificateRevoked},
		"client disabled":     {func(w *world) { w.disable(authztest.ClientA) }, decision.ClientDisabled},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			first, second := w.Claims(authztest.ClientA), w.Claims(authztest.ClientA)
			client := w.HTTPClient(w.server, w.Pair(authztest.ClientA))
			checkDone(t, w.Do(client, w.request(authztest.ClientA, w.Sign(first))))
			c.end(w)
			a := w.Do(client, w.request(authztest.ClientA, w.Sign(second)))
			if a.Status != 401 || a.Reason() != string(decision.ClientAuthenticationFailed) || w.Log.Decision(t, a)["reason"] != string(c.why) {
				t.Errorf("%d %s, logged %v", a.Status, a.Body, w.Log.Decision(t, a)["reason"])
			}
			if w.denied(second.ID) {
				t.Error("revoked all the same")
			}
		})
	}
}

func (w *world) denyCertificate(id string) {
	print := w.Claims(id).Thumbprint
	w.Update(func(ctx context.Context, tx storage.Tx) error {
		return tx.DenyCertificate(ctx, storage.CertificateDenial{Thumbprint: print, Reason: "lost", CreatedAt: w.Clock()})
	})
}

func (w *world) disable(id string) {
	w.Update(func(ctx context.Context, tx storage.Tx) error {
		client, err := tx.Client(ctx, id)
		if err != nil {
			return err
		}
		client.Disabled = true
		return tx.UpdateClient(ctx, client)
	})
}

// TestRevokeIsAllOrNothing: a database that fails leaves no half of it behind.
func TestRevokeIsAllOrNothing(t *testing.T) {
	w := newWorld(t)
	claims := w.Claims(authztest.ClientA)
	token := w.Sign(claims)
	for _, method := range []string{"Client", "CertificateDenied", "Update", "Commit"} {
		w.Broken.Break(method)
		a := w.revoke(authztest.ClientA, token)
		if a.Status != 503 || a.Reason() != string(decision.StorageUnavailable) || a.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %d %s", method, a.Status, a.Body)
		}
		if logged := w.Log.Decision(t, a); logged["outcome"] != "refuse" {
			t.Errorf("%s: logged %v", method, logged)
		}
	}
	if w.denied(claims.ID) || len(w.entries()) != 0 || len(w.Events(audit.TokenRevoked)) != 0 {
		t.Error("half of it was done")
	}
	w.Broken.Break()
	checkDone(t, w.revoke(authztest.ClientA, token))
	if !w.denied(claims.ID) {
		t.Error("not revoked afterwards")
	}
}

func TestNewWantsEverything(t *testing.T) {
	_, err := revoke.New(revoke.Config{})
	if err == nil || err.Error() != "revoke: a dependency in Config is missing" {
		t.Errorf("New: %v", err)
	}
	_, err = revoke.NewFeed(revoke.FeedConfig{})
	if err == nil || err.Error() != "revoke: FeedConfig.Issuer is missing" {
		t.Errorf("NewFeed: %v", err)
	}
	_, err = revoke.NewFeed(revoke.FeedConfig{Issuer: authztest.Issuer})
	if err == nil || err.Error() != "revoke: a dependency in FeedConfig is missing" {
		t.Errorf("NewFeed: %v", err)
	}
}
