package admin

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/certbound/certbound/authz/admin/document"
	"github.com/certbound/certbound/authz/admin/refusal"
	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/clientauth"
	"github.com/certbound/certbound/authz/oauth"
	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/storage"
)

// Journey is the one of a call to the admin API, in log lines and audit events.
const Journey decision.Journey = "admin_request"

// storageTimeout bounds what one request waits for the database.
const storageTimeout = 5 * time.Second

// Authenticator proves that the certificate of r's connection is a credential of
// the stored, enabled client id (RFC 8705 §2). The Authorization header holds the
// access token here and is no second mechanism.
type Authenticator interface {
	AuthenticateAs(r *http.Request, id string, evidence *decision.Evidence) (*clientauth.Authenticated, *oauth.Error)
}

// Audit records changes in the transaction that makes them, and refusals within
// bounds.
type Audit interface {
	Appender
	Refused(e audit.Event)
}

// Appender records events in a transaction.
type Appender interface {
	Append(ctx context.Context, tx storage.Tx, events ...audit.Event) error
}

// Config holds what the admin API needs. All but Notify, TrustChanged and Observe is
// required.
type Config struct {
	Issuer        string
	Verifier      *resource.Verifier // of Issuer's tokens for Audience(Issuer)
	Authenticator Authenticator
	Store         storage.Store
	Audit         Audit
	Checkpoints   audit.Signer // of keys that sign audit checkpoints and nothing else
	Pruner        Pruner       // gives up old audit events
	Keys          Keys
	Enrolls       bool   // whether /enroll is there for the links this API makes
	Notify        func() // called after each change, to wake those who wait for the feed
	// TrustChanged is called after a change of a trust bundle and before its answer,
	// so that the next request meets the new one.
	TrustChanged func(context.Context)
	// SecondPairOfEyes makes each change of a trust bundle a proposal that another
	// administrator has to approve within ProposalLifetime, 0 meaning 7 days.
	SecondPairOfEyes bool
	ProposalLifetime time.Duration
	Clock            func() time.Time
	Logger           *slog.Logger
	Observe          func(*decision.Decision) // see decision.Sink; nil: nobody listens
}

// sink is where decisions go.
func (c Config) sink() decision.Sink { return decision.Sink{Logger: c.Logger, Observe: c.Observe} }

// Handler is the admin API.
type Handler struct {
	Config
	next     http.Handler
	document *document.Document
	openAPI  []byte
}

// NewHandler checks c and returns the API. It is for a listener of its own that
// takes certificates from TLS only (design rule 23).
func NewHandler(c Config) (*Handler, error) {
	switch {
	case c.Issuer == "":
		return nil, errors.New("admin: Config.Issuer is missing")
	case c.Verifier == nil || c.Authenticator == nil || c.Store == nil || c.Audit == nil || c.Checkpoints == nil || c.Pruner == nil || c.Keys == nil || c.Clock == nil || c.Logger == nil:
		return nil, errors.New("admin: a dependency in Config is missing")
	}
	c.ProposalLifetime = cmp.Or(c.ProposalLifetime, DefaultProposalLifetime)
	if c.ProposalLifetime < MinProposalLifetime || c.ProposalLifetime > MaxProposalLifetime || c.ProposalLifetime%time.Second != 0 {
		return nil, errors.New("admin: Config.ProposalLifetime must be whole seconds, from an hour to 30 days")
	}
	if c.Notify == nil {
		c.Notify = func() {}
	}
	if c.TrustChanged == nil {
		c.TrustChanged = func(context.Context) {}
	}
	h := &Handler{Config: c}
	if err := h.describe(); err != nil {
		return nil, err
	}
	h.next = decision.Recover(h.router(), Journey, c.sink(), c.Clock)
	return h, nil
}

// ServeHTTP answers one call.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.next.ServeHTTP(w, r) }

// router neither cleans paths nor redirects: what is not spelled as a route is
// none.
func (h *Handler) router() *mux.Router {
	router := mux.NewRouter().SkipClean(true).UseEncodedPath()
	for i := range routes {
		router.Path(routes[i].path).Methods(routes[i].method).HandlerFunc(h.handle(&routes[i]))
	}
	for i := range routes {
		methods := allowed(i)
		router.Path(routes[i].path).HandlerFunc(h.refuseAll(&refusal.Refusal{
			Reason: decision.MethodNotAllowed, Detail: "the route answers " + methods, Header: http.Header{"Allow": {methods}},
		}))
	}
	router.NotFoundHandler = h.refuseAll(refusal.New(decision.RouteUnknown, "no route has this path"))
	return router
}

// call is one request on its way.
type call struct {
	*http.Request
	w        http.ResponseWriter
	route    *route
	caller   *caller // nil where the route is for everybody
	decision *decision.Decision
	now      time.Time
	dryRun   bool
	twoPairs bool   // Config.SecondPairOfEyes
	matched  bool   // If-Match was held against a record
	sent     []byte // the body, once it was read
}

// answer is what a call ends with.
type answer struct {
	status   int // 0 means 200
	body     any // nil: none
	before   any // what a change replaces, for a dry run
	etag     string
	link     string
	location string
	change   bool // something was changed
	trust    bool // a trust bundle was changed
	replayed bool // it was given before
}

func (h *Handler) handle(route *route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), storageTimeout)
		defer cancel()
		c := &call{Request: r.WithContext(ctx), w: w, route: route, now: h.Clock().UTC().Truncate(time.Second), twoPairs: h.SecondPairOfEyes}
		d, err := h.authorize(c, route.scope)
		d.Journey, d.Evidence.Route = Journey, route.path
		c.decision = d
		if err == nil {
			err = c.options()
		}
		var a *answer
		if err == nil {
			a, err = route.serve(h, c)
		}
		if err != nil {
			h.refused(w, r, d, refusal.Of(err))
			return
		}
		if a.trust {
			h.TrustChanged(ctx)
		}
		if a.change {
			h.Notify()
		}
		d.Allow(a.code(), h.Clock())
		h.sink().Put(r.Context(), d)
		a.write(w, d.RequestID)
	}
}

// code is the status of the answer.
func (a *answer) code() int { return cmp.Or(a.status, http.StatusOK) }

func (a *answer) write(w http.ResponseWriter, requestID string) {
	for name, value := range map[string]string{"ETag": a.etag, "Location": a.location} {
		if value != "" {
			w.Header().Set(name, value)
		}
	}
	if a.link != "" {
		w.Header().Set("Link", "<"+a.link+`>; rel="next"`)
	}
	if a.replayed {
		w.Header().Set("Idempotency-Replayed", "true")
	}
	if a.status == http.StatusNoContent {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set(decision.RequestIDHeader, requestID)
		w.WriteHeader(a.status)
		return
	}
	refusal.WriteJSON(w, a.code(), "application/json", requestID, a.body)
}

// allowed are the methods of everything that answers the path of routes[i].
func allowed(i int) string {
	var methods []string
	for _, other := range routes {
		text, err := mux.NewRouter().Path(other.path).GetPathRegexp()
		if err != nil { // the table is wrong, which every test would say
			panic(err)
		}
		if regexp.MustCompile(text).MatchString(routes[i].path) {
			methods = append(methods, other.method)
		}
	}
	slices.Sort(methods)
	return strings.Join(methods, ", ")
}

// refuseAll answers every request with one refusal.
func (h *Handler) refuseAll(f *refusal.Refusal) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		d := decision.New(r, Journey, h.Clock())
		h.refused(w, r, &d, f)
	}
}

// refused ends a request: one log line, one audit event within the bounds, one
// answer.
func (h *Handler) refused(w http.ResponseWriter, r *http.Request, d *decision.Decision, f *refusal.Refusal) {
	d.Evidence.Detail, d.Evidence.Expected, d.Evidence.Seen = f.Detail, f.Expected, f.Seen
	for _, e := range f.Errors {
		d.Evidence.Detail = strings.TrimPrefix(d.Evidence.Detail+"; "+e.Field+" "+e.Detail, "; ")
	}
	d.Refuse(f.Reason, f.Public().Status, h.Clock())
	h.sink().Put(r.Context(), d)
	event := audit.FromDecision(audit.AdminRefused, d)
	event.Actor = d.Evidence.ClientID
	h.Audit.Refused(event)
	f.Write(w, Audience(h.Issuer), d.RequestID)
}

// getIssuer tells a command line where its token comes from. It says nothing that
// the issuer's metadata does not.
func getIssuer(h *Handler, _ *call) (*answer, error) {
	return &answer{body: IssuerView{h.Issuer, Audience(h.Issuer), Scopes()}}, nil
}

// IssuerView is where tokens for this API come from.
type IssuerView struct {
	Issuer   string   `json:"issuer"`
	Audience string   `json:"audience"`
	Scopes   []string `json:"scopes"`
}
