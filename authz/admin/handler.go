package admin

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/clientauth"
	"github.com/certbound/certbound/authz/oauth"
	"github.com/certbound/certbound/keys/thumbprint"
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

// Lister finds records by other things than their key.
type Lister interface {
	// Clients returns at most limit clients whose id comes after the given one, in
	// the order of ids, byte by byte.
	Clients(ctx context.Context, after string, limit int) ([]storage.Client, error)
	// ClientsHolding returns the clients that hold a scope, by id.
	ClientsHolding(ctx context.Context, scope string) ([]storage.Client, error)
	// Certificate returns a registered certificate, or storage.ErrNotFound.
	Certificate(ctx context.Context, t thumbprint.Thumbprint) (storage.Certificate, error)
	keySets
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

// Config holds what the admin API needs. All but Notify and Observe is required.
type Config struct {
	Issuer        string
	Verifier      *resource.Verifier // of Issuer's tokens for Audience(Issuer)
	Authenticator Authenticator
	Store         storage.Store
	Lister        Lister
	Audit         Audit
	Checkpoints   audit.Signer // of keys that sign audit checkpoints and nothing else
	Keys          Keys
	Notify        func() // called after each change, to wake those who wait for the feed
	Clock         func() time.Time
	Logger        *slog.Logger
	Observe       func(*decision.Decision) // see decision.Sink; nil: nobody listens
}

// sink is where decisions go.
func (c Config) sink() decision.Sink { return decision.Sink{Logger: c.Logger, Observe: c.Observe} }

// Handler is the admin API.
type Handler struct {
	Config
	next http.Handler
}

// NewHandler checks c and returns the API. It is for a listener of its own that
// takes certificates from TLS only (design rule 23).
func NewHandler(c Config) (*Handler, error) {
	switch {
	case c.Issuer == "":
		return nil, errors.New("admin: Config.Issuer is missing")
	case c.Verifier == nil || c.Authenticator == nil || c.Store == nil || c.Lister == nil || c.Audit == nil || c.Checkpoints == nil || c.Keys == nil || c.Clock == nil || c.Logger == nil:
		return nil, errors.New("admin: a dependency in Config is missing")
	}
	if c.Notify == nil {
		c.Notify = func() {}
	}
	h := &Handler{Config: c}
	h.next = decision.Recover(h.router(), Journey, c.sink(), c.Clock)
	return h, nil
}

// ServeHTTP answers one call.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.next.ServeHTTP(w, r) }

// endpoint serves one call that was authorized.
type endpoint func(h *Handler, c *call) (*answer, *refusal)

// route is one method of one path. Without a scope it is for everybody.
type route struct {
	method, path, scope string
	serve               endpoint
}

var routes = []route{
	{http.MethodGet, "/admin/v1/issuer", "", (*Handler).getIssuer},
	{http.MethodGet, "/admin/v1/clients", ScopeRead, (*Handler).listClients},
	{http.MethodGet, "/admin/v1/clients/{id}", ScopeRead, (*Handler).getClient},
	{http.MethodPost, "/admin/v1/clients/{id}/disable", ScopeOperate, (*Handler).disableClient},
	{http.MethodPost, "/admin/v1/clients/{id}/enable", ScopeOperate, (*Handler).enableClient},
	{http.MethodPost, "/admin/v1/certificates/{x5t}/revoke", ScopeOperate, (*Handler).revokeCertificate},
	{http.MethodGet, "/admin/v1/keys", ScopeRead, (*Handler).listKeys},
	{http.MethodPost, "/admin/v1/keys/rotate", ScopeSecurity, (*Handler).rotateKey},
	{http.MethodPost, "/admin/v1/keys/{kid}/revoke", ScopeSecurity, (*Handler).revokeKey},
	{http.MethodGet, "/admin/v1/audit-events", ScopeRead, (*Handler).listEvents},
	{http.MethodGet, "/admin/v1/audit-checkpoints", ScopeRead, (*Handler).listCheckpoints},
	{http.MethodPost, "/admin/v1/audit-checkpoints", ScopeSecurity, (*Handler).addCheckpoint},
}

// router neither cleans paths nor redirects: what is not spelled as a route is
// none.
func (h *Handler) router() *mux.Router {
	router := mux.NewRouter().SkipClean(true).UseEncodedPath()
	allowed := map[string][]string{}
	for _, route := range routes {
		router.Path(route.path).Methods(route.method).HandlerFunc(h.handle(route))
		allowed[route.path] = append(allowed[route.path], route.method)
	}
	for path, methods := range allowed {
		all := strings.Join(methods, ", ")
		router.Path(path).HandlerFunc(h.refuseAll(&refusal{
			reason: decision.MethodNotAllowed, detail: "the route answers " + all,
			header: http.Header{"Allow": {all}},
		}))
	}
	router.NotFoundHandler = h.refuseAll(refuse(decision.RouteUnknown, "no route has this path"))
	return router
}

// call is one request on its way.
type call struct {
	*http.Request
	w        http.ResponseWriter
	caller   *caller // nil where the route is for everybody
	decision *decision.Decision
	now      time.Time
}

// answer is what a call ends with.
type answer struct {
	body   any
	etag   string
	link   string
	change bool // something was changed
}

func (h *Handler) handle(route route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), storageTimeout)
		defer cancel()
		c := &call{Request: r.WithContext(ctx), w: w, now: h.Clock().UTC().Truncate(time.Second)}
		d, f := h.authorize(c, route.scope)
		d.Journey, d.Evidence.Route = Journey, route.path
		c.decision = d
		var a *answer
		if f == nil {
			a, f = route.serve(h, c)
		}
		if f != nil {
			h.refused(w, r, d, f)
			return
		}
		if a.change {
			h.Notify()
		}
		d.Allow(http.StatusOK, h.Clock())
		h.sink().Put(r.Context(), d)
		a.write(w, d.RequestID)
	}
}

func (a *answer) write(w http.ResponseWriter, requestID string) {
	if a.etag != "" {
		w.Header().Set("ETag", a.etag)
	}
	if a.link != "" {
		w.Header().Set("Link", "<"+a.link+`>; rel="next"`)
	}
	writeJSON(w, http.StatusOK, "application/json", requestID, a.body)
}

// refuseAll answers every request with one refusal.
func (h *Handler) refuseAll(f *refusal) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		d := decision.New(r, Journey, h.Clock())
		h.refused(w, r, &d, f)
	}
}

// refused ends a request: one log line, one audit event within the bounds, one
// answer.
func (h *Handler) refused(w http.ResponseWriter, r *http.Request, d *decision.Decision, f *refusal) {
	d.Evidence.Detail, d.Evidence.Expected, d.Evidence.Seen = f.detail, f.expected, f.seen
	for _, e := range f.errors {
		d.Evidence.Detail = strings.TrimPrefix(d.Evidence.Detail+"; "+e.Field+" "+e.Detail, "; ")
	}
	d.Refuse(f.reason, f.public().Status, h.Clock())
	h.sink().Put(r.Context(), d)
	event := audit.FromDecision(audit.AdminRefused, d)
	event.Actor = d.Evidence.ClientID
	h.Audit.Refused(event)
	f.write(w, Audience(h.Issuer), d.RequestID)
}

// unavailable is the refusal for what the store said; a refusal found in a
// transaction stays what it is.
func unavailable(err error) *refusal {
	var f *refusal
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, storage.ErrNotFound):
		return refuse(RecordUnknown, "the path names no record")
	}
	return refuse(decision.StorageUnavailable, err.Error())
}

// getIssuer tells a command line where its token comes from. It says nothing that
// the issuer's metadata does not.
func (h *Handler) getIssuer(*call) (*answer, *refusal) {
	return &answer{body: struct {
		Issuer   string   `json:"issuer"`
		Audience string   `json:"audience"`
		Scopes   []string `json:"scopes"`
	}{h.Issuer, Audience(h.Issuer), Scopes()}}, nil
}
