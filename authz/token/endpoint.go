package token

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"time"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/clientauth"
	"github.com/certbound/certbound/authz/oauth"
	"github.com/certbound/certbound/authz/rates"
	"github.com/certbound/certbound/authz/registry"
	"github.com/certbound/certbound/keys"
	"github.com/certbound/certbound/keys/peercert"
	"github.com/certbound/certbound/resource/decision"
)

// minRemaining is the certificate lifetime below which a request is refused: a
// token that dies in the caller's hands helps nobody.
const minRemaining = 5 * time.Second

// Signers chooses the key that signs the access tokens of an API that asks for an
// algorithm; "" is the server's choice.
type Signers interface {
	Signer(ctx context.Context, algorithm string) (*keys.Signer, error)
}

// Audit records what the endpoint decides.
type Audit interface {
	// Record returns when the event is durable; on an error nothing is issued.
	Record(ctx context.Context, e audit.Event) error
	// Refused records a refusal within bounds, and never blocks.
	Refused(e audit.Event)
}

// Seen notes which certificates are in use.
type Seen interface {
	// Note returns when the certificate is on record; on an error nothing is issued.
	Note(ctx context.Context, clientID string, generation int64, peer *peercert.Peer) error
}

// Config holds the endpoint's dependencies; all are required but Rate, Lifetime and Observe.
type Config struct {
	Issuer        string // the iss claim
	Authenticator *clientauth.Authenticator
	Records       *registry.Registry // clients and APIs
	Signers       Signers
	Audit         Audit
	Rate          *rates.Rate   // of each client; nil: no bound
	Seen          Seen          // hears of each certificate before a token is issued for it
	Lifetime      time.Duration // of a token whose API says nothing; 0 means oauth.DefaultTokenLifetime
	Clock         func() time.Time
	Logger        *slog.Logger
	Observe       func(*decision.Decision) // see decision.Sink; nil: nobody listens
}

// sink is where decisions go.
func (c Config) sink() decision.Sink { return decision.Sink{Logger: c.Logger, Observe: c.Observe} }

// Endpoint is the token endpoint.
type Endpoint struct {
	Config
	limits limits
}

// New checks c and returns the endpoint.
func New(c Config) (*Endpoint, error) {
	if c.Lifetime == 0 {
		c.Lifetime = oauth.DefaultTokenLifetime
	}
	switch {
	case c.Issuer == "":
		return nil, errors.New("token: Config.Issuer is missing")
	case c.Authenticator == nil || c.Records == nil || c.Signers == nil || c.Audit == nil || c.Seen == nil || c.Clock == nil || c.Logger == nil:
		return nil, errors.New("token: a dependency in Config is missing")
	case c.Lifetime < time.Second || c.Lifetime > oauth.MaxTokenLifetime || c.Lifetime%time.Second != 0:
		return nil, errors.New("token: Config.Lifetime must be whole seconds, from 1s to 1h")
	}
	return &Endpoint{Config: c}, nil
}

// Response is the successful answer of RFC 6749 §5.1.
type Response struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int64  `json:"expires_in"` // seconds, exactly exp - iat
	Scope       string `json:"scope"`

	client *clientauth.Authenticated // it is for
}

// ServeHTTP answers one token request, records its decision and logs it.
func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d := oauth.NewDecision(r, decision.TokenRequest, e.Clock())
	form, refusal := read(w, r)
	var response *Response
	if refusal == nil {
		response, refusal = e.decide(r, form, d)
	}
	if refusal != nil {
		e.refuse(w, r, d, refusal)
		return
	}
	body, err := json.Marshal(response)
	if err != nil {
		e.refuse(w, r, d, oauth.RefuseFor(decision.InternalError, err))
		return
	}
	e.sink().Put(r.Context(), d)

	h := w.Header()
	maps.Copy(h, answerHeader)
	h.Set(decision.RequestIDHeader, d.RequestID)
	_, _ = w.Write(body) // the client may be gone; the token was issued all the same
}

// answerHeader is what every answer with a token says. Its values are shared and
// never written to.
var answerHeader = http.Header{
	"Content-Type":           {"application/json"},
	"Cache-Control":          {"no-store"},
	"Pragma":                 {"no-cache"},
	"X-Content-Type-Options": {"nosniff"},
}

// maxDecisions is how often one request is decided while the registration changes
// under it; storageTimeout bounds it too.
const maxDecisions = 100

// decide issues a token that rests on the registration as it is. The records come
// from memory; whether they still hold is asked once, where it counts: a token is
// recorded only in a registration that has not changed, and a refusal stands only
// on records that were just found to be the database's.
func (e *Endpoint) decide(r *http.Request, form oauth.Form, d *decision.Decision) (*Response, *oauth.Error) {
	ctx := e.limits.now()
	r = r.WithContext(ctx)
	request, counted := d.Evidence, false
	view, err := e.Records.View(ctx)
	for range maxDecisions {
		if err != nil {
			return nil, oauth.RefuseFor(decision.StorageUnavailable, err)
		}
		records := view.Read()
		d.Evidence = request
		response, refusal := e.issue(r, form, records, &d.Evidence, &counted)
		if refusal == nil {
			d.Allow(http.StatusOK, e.Clock())
			// 9. The record: no token leaves before it is durable (design rule 16).
			// The certificate's first: whoever changes the registration after that finds it,
			// and a record that rests on what was before is not stored.
			client := response.client
			err := e.Seen.Note(ctx, client.Client.ID, client.Client.Generation, client.Peer)
			if err == nil {
				err = e.record(ctx, d, view.Version())
			}
			if err == nil {
				return response, nil
			}
			if !errors.Is(err, audit.ErrOutdated) {
				return nil, oauth.RefuseFor(decision.AuditUnavailable, err)
			}
		}
		// Too early is too early in any registration, and is not to cost a read.
		if refusal != nil && (!records.Used() || refusal.Reason == decision.RateLimited) {
			return nil, refusal
		}
		decided := view
		if view, err = e.Records.Fresh(ctx); err == nil && refusal != nil && view == decided {
			return nil, refusal
		}
	}
	return nil, oauth.Refuse(decision.StorageUnavailable, "the registration changed each time the request was decided")
}

func (e *Endpoint) record(ctx context.Context, d *decision.Decision, registration int64) error {
	event := audit.FromDecision(audit.TokenIssued, d)
	event.Registration = registration
	return e.Audit.Record(ctx, event)
}

func (e *Endpoint) refuse(w http.ResponseWriter, r *http.Request, d *decision.Decision, refusal *oauth.Error) {
	oauth.Refused(w, r, e.sink(), d, refusal, e.Clock())
	e.Audit.Refused(audit.FromDecision(audit.TokenRefused, d))
}
