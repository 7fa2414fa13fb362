package proxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/certbound/certbound/resource/decision"
)

// Metadata is what the protected resource metadata (RFC 9728) says besides what
// the routes do.
type Metadata struct {
	// Resource is the resource identifier, the audience of tokens: an https URL
	// without query and fragment. Its path decides where the metadata is (§3.1).
	Resource string
	// AuthorizationServers are the issuers whose tokens are accepted.
	AuthorizationServers []string
}

// wellKnown is where metadata is, in front of the resource's own path.
const wellKnown = "/.well-known/oauth-protected-resource"

// IsResource reports whether an audience is a resource identifier that has
// metadata.
func IsResource(audience string) bool {
	_, err := parseResource(audience)
	return err == nil
}

func parseResource(resource string) (*url.URL, error) {
	u, err := url.Parse(resource)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || strings.ContainsAny(resource, "?#") {
		return nil, fmt.Errorf("proxy: resource %q is not an https URL without user, query and fragment", resource)
	}
	if u.Path != "" && u.Path != "/" {
		return u, CheckPath(decision.Path(u))
	}
	return u, nil
}

// document is the metadata ready to be served.
type document struct {
	path    string // as requests spell it
	address string // for challenges
	body    []byte
}

// newDocument generates the metadata from the routes.
func newDocument(m *Metadata, routes []Route) (*document, error) {
	if m == nil {
		return nil, nil
	}
	u, err := parseResource(m.Resource)
	if err != nil {
		return nil, err
	}
	if len(m.AuthorizationServers) == 0 {
		return nil, errors.New("proxy: metadata names no authorization server")
	}
	path := wellKnown + strings.TrimSuffix(decision.Path(u), "/")
	body, err := json.MarshalIndent(map[string]any{
		"resource": m.Resource, "authorization_servers": m.AuthorizationServers, "scopes_supported": scopesOf(routes),
		"bearer_methods_supported": []string{"header"}, "tls_client_certificate_bound_access_tokens": true,
	}, "", "  ")
	return &document{path: path, address: "https://" + u.Host + path, body: append(body, '\n')}, err
}

// scopesOf are all scopes that some route asks for.
func scopesOf(routes []Route) []string {
	scopes := []string{}
	for _, r := range routes {
		scopes = slices.Concat(scopes, r.Scopes, r.AnyOfScopes)
	}
	slices.Sort(scopes)
	return slices.Compact(scopes)
}

// checkReserved keeps routes away from where the metadata is: half of them would
// never be reached.
func (d *document) checkReserved(routes []Route) (faults []*RouteError) {
	for i, r := range routes {
		if d != nil && (r.Path == wellKnown || strings.HasPrefix(r.Path, wellKnown+"/")) {
			faults = append(faults, &RouteError{i, "path", errors.New("the proxy itself answers here, with the protected resource metadata (RFC 9728)")})
		}
	}
	return faults
}

// serve answers requests for the metadata, which is public. It says nothing about
// the caller, so it is no decision.
func (d *document) serve(w http.ResponseWriter, r *http.Request) (served bool) {
	if d == nil || decision.Path(r.URL) != d.path || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(d.body)))
	h.Set("Cache-Control", "public, max-age=300")
	h.Set("X-Content-Type-Options", "nosniff")
	if r.Method == http.MethodGet {
		_, _ = w.Write(d.body) // the caller may be gone; there is nobody to tell
	}
	return true
}
