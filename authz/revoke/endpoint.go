package revoke

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/clientauth"
	"github.com/certbound/certbound/authz/issued"
	"github.com/certbound/certbound/authz/oauth"
	"github.com/certbound/certbound/authz/rates"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/storage"
)

// storageTimeout bounds what one request waits for the database.
const storageTimeout = 5 * time.Second

// kept is how long an entry outlives the last token it can touch (design rule
// 11): resource servers' clocks may be behind.
const kept = 60 * time.Second

// Store is where tokens are denied.
type Store interface {
	Update(ctx context.Context, fn func(storage.Tx) error) error
}

// Audit records what the endpoint decides.
type Audit interface {
	// Append records events in the transaction of what they record.
	Append(ctx context.Context, tx storage.Tx, events ...audit.Event) error
	// Refused records a refusal within bounds, and never blocks.
	Refused(e audit.Event)
}

// Config holds the revocation endpoint's dependencies; all are required but Rate, MaxSingle and Observe.
type Config struct {
	Authenticator *clientauth.Authenticator
	Tokens        *issued.Verifier
	Store         Store
	Audit         Audit
	Notifier      *Notifier
	Rate          *rates.Rate // of each client; nil: no bound
	MaxSingle     int         // see DefaultMaxSingle; 0 means that
	Clock         func() time.Time
	Logger        *slog.Logger
	Observe       func(*decision.Decision) // see decision.Sink; nil: nobody listens
}

// sink is where decisions go.
func (c Config) sink() decision.Sink { return decision.Sink{Logger: c.Logger, Observe: c.Observe} }

// Endpoint is the revocation endpoint.
type Endpoint struct{ Config }

// New checks c and returns the endpoint.
func New(c Config) (*Endpoint, error) {
	if c.Authenticator == nil || c.Tokens == nil || c.Store == nil || c.Audit == nil || c.Notifier == nil || c.Clock == nil || c.Logger == nil {
		return nil, errors.New("revoke: a dependency in Config is missing")
	}
	if c.MaxSingle == 0 {
		c.MaxSingle = DefaultMaxSingle
	}
	return &Endpoint{c}, nil
}

// ServeHTTP answers one revocation request and logs its decision. The answer to
// a token that cannot be revoked because it is none of ours, or over, is that of
// success: what the client wanted is so (RFC 7009 §2.2).
func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d := oauth.NewDecision(r, decision.RevocationRequest, e.Clock())
	useless, refusal := e.revoke(w, r, d)
	if refusal != nil {
		oauth.Refused(w, r, e.sink(), d, refusal, e.Clock())
		e.Audit.Refused(audit.FromDecision(audit.RevocationRefused, d))
		return
	}
	if useless != nil {
		useless.Record(&d.Evidence)
		d.Refuse(useless.Reason, http.StatusOK, e.Clock())
		e.Audit.Refused(audit.FromDecision(audit.RevocationRefused, d))
	}
	e.sink().Put(r.Context(), d)
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set(decision.RequestIDHeader, d.RequestID)
	w.WriteHeader(http.StatusOK)
}

// revoke is the pipeline. useless says why there is nothing to revoke.
func (e *Endpoint) revoke(w http.ResponseWriter, r *http.Request, d *decision.Decision) (useless, refusal *oauth.Error) {
	// 1. The form: body only, each parameter once (RFC 7009 §2.1).
	form, refusal := oauth.ParseForm(w, r)
	if refusal != nil {
		return nil, refusal
	}
	ctx, cancel := context.WithTimeout(r.Context(), storageTimeout)
	defer cancel()
	// 2. The client: RFC 8705 §2, as at the token endpoint, and its rate.
	client, refusal := e.Authenticator.Authenticate(r.WithContext(ctx), form, &d.Evidence)
	if refusal != nil {
		return nil, refusal
	}
	if refusal := e.Rate.Take(e.Clock(), client.Client.ID); refusal != nil {
		return nil, refusal
	}
	if form.Get(oauth.ParamToken) == "" {
		return nil, oauth.Refuse(decision.RequestMalformed, "token is missing")
	}
	// 3. The token: ours, not over. token_type_hint is only a hint, and we have one
	// kind of token.
	token, useless := e.Tokens.Verify(form.Get(oauth.ParamToken), &d.Evidence)
	if useless != nil {
		return useless, nil
	}
	// 4. Whose? A client may have renewed its certificate since, so the token's
	// binding is not asked for.
	if token.ClientID != client.Client.ID {
		return nil, &oauth.Error{
			Reason: decision.TokenOfAnotherClient, Expected: token.ClientID, Seen: client.Client.ID,
			Detail: "the token was issued to another client",
		}
	}
	// 5. The denial and its record, in one transaction.
	d.Allow(http.StatusOK, e.Clock())
	if err := e.deny(ctx, token, audit.FromDecision(audit.TokenRevoked, d)); err != nil {
		return nil, oauth.RefuseFor(decision.StorageUnavailable, err)
	}
	e.Notifier.Notify()
	return nil, nil
}
