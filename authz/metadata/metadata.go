package metadata

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/certbound/certbound/authz/oauth"
	"github.com/certbound/certbound/storage"
)

// Document is the authorization server metadata of RFC 8414 §2.
type Document struct {
	Issuer               string   `json:"issuer"`
	TokenEndpoint        string   `json:"token_endpoint"`
	JWKSURI              string   `json:"jwks_uri"`
	GrantTypesSupported  []string `json:"grant_types_supported"`
	ResponseTypes        []string `json:"response_types_supported"` // REQUIRED by RFC 8414 §2, so given although empty
	TokenEndpointMethods []string `json:"token_endpoint_auth_methods_supported"`

	IntrospectionEndpoint string   `json:"introspection_endpoint"` // RFC 7662
	IntrospectionMethods  []string `json:"introspection_endpoint_auth_methods_supported"`
	RevocationEndpoint    string   `json:"revocation_endpoint"` // RFC 7009
	RevocationMethods     []string `json:"revocation_endpoint_auth_methods_supported"`

	CertificateBound    bool    `json:"tls_client_certificate_bound_access_tokens"` // RFC 8705 §3.3
	MTLSEndpointAliases Aliases `json:"mtls_endpoint_aliases"`                      // RFC 8705 §5
}

// Aliases holds the endpoints at which a client certificate is asked for,
// RFC 8705 §5. Every certbound endpoint asks for it, so they equal the plain
// ones; clients that prefer aliases find what they look for.
type Aliases struct {
	TokenEndpoint         string `json:"token_endpoint"`
	IntrospectionEndpoint string `json:"introspection_endpoint"`
	RevocationEndpoint    string `json:"revocation_endpoint"`
}

// KeySet supplies the current public JWK set as JSON, or says that what it knows
// is too old to be kept by anybody.
type KeySet interface {
	JWKS(ctx context.Context) ([]byte, error)
}

// Endpoint serves the two documents.
type Endpoint struct {
	issuer       *url.URL
	document     []byte
	keys         KeySet
	cacheControl string
}

// New builds the documents for an issuer, which must be an https URL without
// query and fragment (RFC 8414 §2). Readers may keep them for maxAge, in whole
// seconds; who publishes a key before it signs has to wait longer than that.
func New(issuer string, keys KeySet, maxAge time.Duration) (*Endpoint, error) {
	u, err := ParseIssuer(issuer)
	if err != nil {
		return nil, err
	}
	if keys == nil {
		return nil, errors.New("metadata: the key set is missing")
	}
	if maxAge < time.Second {
		return nil, fmt.Errorf("metadata: readers cannot keep the keys for %s", maxAge)
	}
	methods := []string{string(storage.TLSClientAuth), string(storage.SelfSignedTLSClientAuth)}
	endpoints := Aliases{
		TokenEndpoint:         issuer + oauth.PathToken,
		IntrospectionEndpoint: issuer + oauth.PathIntrospect,
		RevocationEndpoint:    issuer + oauth.PathRevoke,
	}
	document, err := json.Marshal(Document{
		Issuer: issuer, JWKSURI: issuer + oauth.PathJWKS,
		GrantTypesSupported: []string{oauth.GrantClientCredentials}, ResponseTypes: []string{},
		TokenEndpoint: endpoints.TokenEndpoint, TokenEndpointMethods: methods,
		IntrospectionEndpoint: endpoints.IntrospectionEndpoint, IntrospectionMethods: methods,
		RevocationEndpoint: endpoints.RevocationEndpoint, RevocationMethods: methods,
		CertificateBound: true, MTLSEndpointAliases: endpoints,
	})
	if err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	// A cache in between always asks us (s-maxage): the time a set spends there
	// would come on top of max-age for readers that do not look at Age.
	cacheControl := fmt.Sprintf("public, max-age=%d, s-maxage=0, must-revalidate", int(maxAge/time.Second))
	return &Endpoint{u, document, keys, cacheControl}, nil
}

// ParseIssuer checks an issuer identifier, RFC 8414 §2.
func ParseIssuer(issuer string) (*url.URL, error) {
	u, err := url.Parse(issuer)
	switch {
	case err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil:
		return nil, fmt.Errorf("metadata: issuer %q is not an https URL", issuer)
	case strings.ContainsAny(issuer, "?#"):
		return nil, fmt.Errorf("metadata: issuer %q has a query or a fragment", issuer)
	case strings.HasSuffix(issuer, "/"):
		// With the slash every endpoint would be "…//oauth2/token", and partners
		// would compare two spellings of one issuer.
		return nil, fmt.Errorf("metadata: issuer %q ends in a slash; leave it out", issuer)
	case u.EscapedPath() != u.Path:
		return nil, fmt.Errorf("metadata: issuer %q has escapes in its path", issuer)
	}
	return u, nil
}

// MetadataPath is where RFC 8414 §3 puts the document: the well-known part
// between the issuer's host and its path.
func (e *Endpoint) MetadataPath() string { return oauth.PathMetadata + e.issuer.Path }

// JWKSPath is the path of the JWK set.
func (e *Endpoint) JWKSPath() string { return e.issuer.Path + oauth.PathJWKS }

// ServeMetadata answers with the metadata document.
func (e *Endpoint) ServeMetadata(w http.ResponseWriter, r *http.Request) {
	e.serve(w, r, "application/json", e.document)
}

// ServeJWKS answers with the public keys. It writes nothing and returns an error
// when it does not know them well enough: a resource server that keeps an old set
// for a whole cache time may then miss a key that signs.
func (e *Endpoint) ServeJWKS(w http.ResponseWriter, r *http.Request) error {
	set, err := e.keys.JWKS(r.Context())
	if err != nil {
		return err
	}
	e.serve(w, r, "application/jwk-set+json", set)
	return nil
}

// serve answers GET and HEAD, with an ETag for revalidation.
func (e *Endpoint) serve(w http.ResponseWriter, r *http.Request, mediaType string, body []byte) {
	digest := sha256.Sum256(body)
	tag := `"` + base64.RawURLEncoding.EncodeToString(digest[:16]) + `"`
	h := w.Header()
	h.Set("Cache-Control", e.cacheControl)
	h.Set("ETag", tag)
	h.Set("X-Content-Type-Options", "nosniff")
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", mediaType)
	_, _ = w.Write(body)
}
