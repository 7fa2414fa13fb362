package authz

import (
	"net/http"
	"strings"

	"github.com/gorilla/mux"

	"github.com/certbound/certbound/authz/metadata"
	"github.com/certbound/certbound/authz/oauth"
	"github.com/certbound/certbound/resource/decision"
)

// route is one path of the public listener and the methods it answers.
type route struct {
	path    string
	methods []string
	handler http.HandlerFunc
}

// publicHandler routes the public listener. The router neither cleans paths nor
// redirects ("POST //oauth2/token" is unknown, not a 301), and what it does not
// know gets the common body, a wrong method with Allow (RFC 9110 §15.5.6).
func publicHandler(c Config, issuerPath string, e *endpoints) http.Handler {
	read := []string{http.MethodGet, http.MethodHead}
	routes := []route{
		{issuerPath + oauth.PathToken, []string{http.MethodPost}, e.token.ServeHTTP},
		{issuerPath + oauth.PathIntrospect, []string{http.MethodPost}, e.introspection.ServeHTTP},
		{issuerPath + oauth.PathRevoke, []string{http.MethodPost}, e.revocation.ServeHTTP},
		{issuerPath + oauth.PathRevocations, []string{http.MethodGet}, e.feed.ServeHTTP},
		{e.documents.MetadataPath(), read, e.documents.ServeMetadata},
		{e.documents.JWKSPath(), read, c.serveKeys(e.documents)},
	}
	if e.enrollment != nil {
		routes = append(routes, route{issuerPath + oauth.PathEnroll, []string{http.MethodPost}, e.enrollment.ServeHTTP})
	}
	router := mux.NewRouter().SkipClean(true).UseEncodedPath()
	for _, r := range routes {
		router.Path(r.path).Methods(r.methods...).HandlerFunc(r.handler)
		router.Path(r.path).Handler(c.refuse(decision.MethodNotAllowed, http.Header{"Allow": {strings.Join(r.methods, ", ")}}))
	}
	router.NotFoundHandler = c.refuse(decision.RouteUnknown, nil)
	return decision.Recover(router, decision.TokenRequest, c.sink(), c.Clock)
}

// serveKeys answers with the public keys, or with the reason why it cannot.
func (c Config) serveKeys(documents *metadata.Endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := documents.ServeJWKS(w, r); err != nil {
			d := oauth.NewDecision(r, decision.TokenRequest, c.Clock())
			oauth.Refused(w, r, c.sink(), d, oauth.RefuseFor(decision.StorageUnavailable, err), c.Clock())
		}
	}
}

// refuse answers every request with one reason.
func (c Config) refuse(reason decision.Reason, header http.Header) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, values := range header {
			w.Header()[name] = values
		}
		d := oauth.NewDecision(r, decision.TokenRequest, c.Clock())
		oauth.Refused(w, r, c.sink(), d, oauth.Refuse(reason, ""), c.Clock())
	})
}
