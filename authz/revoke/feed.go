package revoke

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/clientauth"
	"github.com/certbound/certbound/authz/oauth"
	"github.com/certbound/certbound/authz/rates"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/resource/revokefeed"
	"github.com/certbound/certbound/storage"
)

// FeedRecords is what the feed is made of, and who may read it.
type FeedRecords interface {
	FeedSeq(ctx context.Context) (int64, error)
	FeedEntries(ctx context.Context, after int64, now time.Time, limit int) (storage.Feed, error)
	// IsResourceServer reports whether at least one API names the client among its
	// resource servers.
	IsResourceServer(ctx context.Context, clientID string) (bool, error)
}

// Signer signs a payload as a compact JWS with the given typ header. Its key is
// used for feeds only: an access token's key in other hands cannot make one.
type Signer interface {
	Sign(payload []byte, typ string) (string, error)
}

// FeedAudit records refusals within bounds, and never blocks.
type FeedAudit interface{ Refused(e audit.Event) }

// FeedConfig holds the feed's dependencies; all are required but Rate and Observe.
type FeedConfig struct {
	Issuer        string // the iss claim
	Authenticator *clientauth.Authenticator
	Records       FeedRecords
	Signer        Signer
	Audit         FeedAudit
	Notifier      *Notifier
	Rate          *rates.Rate // of each client; nil: no bound
	Clock         func() time.Time
	Logger        *slog.Logger
	Observe       func(*decision.Decision) // see decision.Sink; nil: nobody listens
}

// sink is where decisions go.
func (c FeedConfig) sink() decision.Sink { return decision.Sink{Logger: c.Logger, Observe: c.Observe} }

// Feed is the endpoint that resource servers follow.
type Feed struct {
	FeedConfig
	slots  chan struct{} // one is taken by each follower that waits
	closed chan struct{}
	close  func()
}

// NewFeed checks c and returns the endpoint. Call [Feed.Run], or followers hear
// of this instance's changes only.
func NewFeed(c FeedConfig) (*Feed, error) {
	switch {
	case c.Issuer == "":
		return nil, errors.New("revoke: FeedConfig.Issuer is missing")
	case c.Authenticator == nil || c.Records == nil || c.Signer == nil || c.Audit == nil || c.Notifier == nil || c.Clock == nil || c.Logger == nil:
		return nil, errors.New("revoke: a dependency in FeedConfig is missing")
	}
	closed := make(chan struct{})
	return &Feed{
		FeedConfig: c, slots: make(chan struct{}, maxWaiting),
		closed: closed, close: sync.OnceFunc(func() { close(closed) }),
	}, nil
}

// ServeHTTP answers one question for the feed and logs its decision.
func (f *Feed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d := oauth.NewDecision(r, decision.FeedRequest, f.Clock())
	compact, refusal := f.follow(w, r, &d.Evidence)
	if r.Context().Err() != nil {
		return // the follower has hung up: nothing was decided, nobody is answered
	}
	if refusal != nil {
		oauth.Refused(w, r, f.sink(), d, refusal, f.Clock())
		f.Audit.Refused(audit.FromDecision(audit.FeedRefused, d))
		return
	}
	d.Allow(http.StatusOK, f.Clock())
	f.sink().Put(r.Context(), d)
	h := w.Header()
	h.Set("Content-Type", revokefeed.ContentType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set(decision.RequestIDHeader, d.RequestID)
	_, _ = w.Write([]byte(compact)) // the follower may be gone; it will ask again
}

// follow is the pipeline.
func (f *Feed) follow(w http.ResponseWriter, r *http.Request, evidence *decision.Evidence) (string, *oauth.Error) {
	// 1. The question.
	form, refusal := oauth.ParseQuery(r)
	if refusal != nil {
		return "", refusal
	}
	q, refusal := parseQuestion(form)
	if refusal != nil {
		return "", refusal
	}
	// 2. The follower: RFC 8705 §2, a resource server of ours, and its rate.
	client, refusal := f.admit(r, form, evidence)
	if refusal != nil {
		return "", refusal
	}
	// Counted when it asks, however long it waits then: the instances of a resource
	// server are one client, and each asks again after every answer.
	if refusal := f.Rate.Take(f.Clock(), client); refusal != nil {
		return "", refusal
	}
	// 3. The wait for something new.
	waited, err := f.wait(r.Context(), w, q)
	if err != nil {
		return "", oauth.RefuseFor(decision.StorageUnavailable, err)
	}
	// 4. What was checked before a wait may no longer hold after it (design rule 1):
	// it may be this follower that has been disabled.
	if waited {
		if _, refusal := f.admit(r, form, evidence); refusal != nil {
			return "", refusal
		}
	}
	// 5. The answer.
	return f.signed(r.Context(), q.after)
}

// admit authenticates the caller, wants it to be a resource server, and says which.
func (f *Feed) admit(r *http.Request, form oauth.Form, evidence *decision.Evidence) (clientID string, refusal *oauth.Error) {
	ctx, cancel := context.WithTimeout(r.Context(), storageTimeout)
	defer cancel()
	client, refusal := f.Authenticator.Authenticate(r.WithContext(ctx), form, evidence)
	if refusal != nil {
		return "", refusal
	}
	is, err := f.Records.IsResourceServer(ctx, client.Client.ID)
	switch {
	case err != nil:
		return "", oauth.RefuseFor(decision.StorageUnavailable, err)
	case !is:
		return "", oauth.Refuse(decision.NotAResourceServer, "no API names this client among its resource servers")
	}
	return client.Client.ID, nil
}
