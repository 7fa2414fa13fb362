package introspect

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/clientauth"
	"github.com/certbound/certbound/authz/issued"
	"github.com/certbound/certbound/authz/oauth"
	"github.com/certbound/certbound/authz/rates"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/storage"
)

// storageTimeout bounds what one request waits for the database.
const storageTimeout = 5 * time.Second

// Records is what decides whether a token is still good, and for whom.
type Records interface {
	Client(ctx context.Context, id string) (storage.Client, error)
	APIByAudience(ctx context.Context, audience string) (storage.API, error)
	Denied(ctx context.Context, kind storage.FeedKind, subject string, now time.Time) (bool, error)
	CertificateDenied(ctx context.Context, t thumbprint.Thumbprint) (bool, error)
}

// Audit records refusals within bounds, and never blocks.
type Audit interface{ Refused(e audit.Event) }

// Config holds the endpoint's dependencies; all are required but Rate and Observe.
type Config struct {
	Authenticator *clientauth.Authenticator
	Tokens        *issued.Verifier
	Records       Records
	Audit         Audit
	Rate          *rates.Rate // of each client; nil: no bound
	Clock         func() time.Time
	Logger        *slog.Logger
	Observe       func(*decision.Decision) // see decision.Sink; nil: nobody listens
}

// sink is where decisions go.
func (c Config) sink() decision.Sink { return decision.Sink{Logger: c.Logger, Observe: c.Observe} }

// Endpoint is the introspection endpoint.
type Endpoint struct{ Config }

// New checks c and returns the endpoint.
func New(c Config) (*Endpoint, error) {
	if c.Authenticator == nil || c.Tokens == nil || c.Records == nil || c.Audit == nil || c.Clock == nil || c.Logger == nil {
		return nil, errors.New("introspect: a dependency in Config is missing")
	}
	return &Endpoint{c}, nil
}

// finding is what was found out about a token: the token, or why it is not
// active for this caller.
type finding struct {
	token    *issued.Token
	inactive *oauth.Error
}

// ServeHTTP answers one introspection request, logs its decision and records it
// when it is not the answer the caller hoped for.
func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d := oauth.NewDecision(r, decision.IntrospectionRequest, e.Clock())
	found, refusal := e.introspect(w, r, &d.Evidence)
	if refusal != nil {
		oauth.Refused(w, r, e.sink(), d, refusal, e.Clock())
		e.Audit.Refused(audit.FromDecision(audit.IntrospectionRefused, d))
		return
	}
	body := []byte(inactive)
	if found.inactive == nil {
		var err error
		if body, err = json.Marshal(answerFor(found.token)); err != nil { // strings and numbers always marshal
			panic(err)
		}
		d.Allow(http.StatusOK, e.Clock())
	} else {
		found.inactive.Record(&d.Evidence)
		d.Refuse(found.inactive.Reason, http.StatusOK, e.Clock())
		e.Audit.Refused(audit.FromDecision(audit.IntrospectionRefused, d))
	}
	e.sink().Put(r.Context(), d)

	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set(decision.RequestIDHeader, d.RequestID)
	_, _ = w.Write(body) // the caller may be gone; there is nobody to tell
}

// introspect is the pipeline.
func (e *Endpoint) introspect(w http.ResponseWriter, r *http.Request, evidence *decision.Evidence) (finding, *oauth.Error) {
	// 1. The form: body only, each parameter once (RFC 7662 §2.1).
	form, refusal := oauth.ParseForm(w, r)
	if refusal != nil {
		return finding{}, refusal
	}
	ctx, cancel := context.WithTimeout(r.Context(), storageTimeout)
	defer cancel()
	// 2. The caller: RFC 8705 §2, as at the token endpoint, and its rate.
	caller, refusal := e.Authenticator.Authenticate(r.WithContext(ctx), form, evidence)
	if refusal != nil {
		return finding{}, refusal
	}
	if refusal := e.Rate.Take(e.Clock(), caller.Client.ID); refusal != nil {
		return finding{}, refusal
	}
	if form.Get(oauth.ParamToken) == "" {
		return finding{}, oauth.Refuse(decision.RequestMalformed, "token is missing")
	}
	// 3. The token: ours, not over. token_type_hint helps those who have several
	// kinds; we have one.
	token, wrong := e.Tokens.Verify(form.Get(oauth.ParamToken), evidence)
	if wrong != nil {
		return finding{inactive: wrong}, nil
	}
	// 4. May this caller know? Before the token's state is looked up.
	wrong, err := e.mayKnow(ctx, caller.Client.ID, token)
	// 5. Has anything that it rests on been revoked since?
	if wrong == nil && err == nil {
		wrong, err = e.revoked(ctx, token)
	}
	if err != nil {
		return finding{}, oauth.RefuseFor(decision.StorageUnavailable, err)
	}
	return finding{token, wrong}, nil
}
