package selftest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

func (b *bench) discoveryProbes() []probe {
	return []probe{
		{
			"metadata.issuer", "the metadata is of this issuer (RFC 8414 §3.3)", "clients that compare it refuse the server; those that do not can be sent to another one",
			func(context.Context, *bench) (Outcome, string) { return equal(b.Issuer, b.meta.Issuer) },
		},
		{
			"metadata.bound", "the metadata says that tokens are bound (RFC 8705 §3.3)", "clients and resource servers do not know that they can rely on it",
			func(context.Context, *bench) (Outcome, string) {
				return equal("true", fmt.Sprint(b.meta.Bound))
			},
		},
		{
			"metadata.methods", "clients authenticate by certificate only", "a secret or an assertion can be stolen and used elsewhere",
			func(context.Context, *bench) (Outcome, string) { return b.methods() },
		},
		{
			"metadata.https", "every endpoint is https", "tokens and requests can be read on the way",
			func(context.Context, *bench) (Outcome, string) { return b.endpoints() },
		},
		{
			"jwks.public", "the key set holds public signature keys only", "whoever reads it can sign tokens",
			func(ctx context.Context, _ *bench) (Outcome, string) { return b.keySet(ctx) },
		},
		b.endpointProbe("introspection.no_certificate", "introspection by somebody without a certificate", "anybody can find out what a token is good for", b.meta.Introspection),
		b.endpointProbe("revocation.no_certificate", "revocation by somebody without a certificate", "anybody can end other clients' tokens", b.meta.Revocation),
	}
}

func equal(want, seen string) (Outcome, string) {
	if want == seen {
		return OK, seen
	}
	return Hole, seen + " instead of " + want
}

func (b *bench) methods() (Outcome, string) {
	seen := strings.Join(b.meta.Methods, " ")
	foreign := slices.ContainsFunc(b.meta.Methods, func(m string) bool {
		return m != "tls_client_auth" && m != "self_signed_tls_client_auth"
	})
	if len(b.meta.Methods) == 0 || foreign { // none means client_secret_basic, RFC 8414 §2
		return Hole, seen
	}
	return OK, seen
}

func (b *bench) endpoints() (Outcome, string) {
	for _, endpoint := range []string{b.meta.Token, b.meta.JWKS, b.meta.Introspection, b.meta.Revocation} {
		u, err := url.Parse(endpoint)
		if endpoint != "" && (err != nil || u.Scheme != "https") {
			return Hole, endpoint
		}
	}
	return OK, "token, jwks, introspection, revocation"
}

// keySet looks at the members as they are written: a library would drop what it
// does not want to see.
func (b *bench) keySet(ctx context.Context) (Outcome, string) {
	a := b.send(ctx, call{method: http.MethodGet, url: b.meta.JWKS})
	var set struct {
		Keys []map[string]any `json:"keys"`
	}
	if a.Err != nil || a.Status != http.StatusOK || json.Unmarshal(a.Body, &set) != nil || len(set.Keys) == 0 {
		return Unclear, a.say()
	}
	for _, key := range set.Keys {
		for _, member := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
			if _, there := key[member]; there {
				return Hole, fmt.Sprintf("key %v has the member %s", key["kid"], member)
			}
		}
		if key["kty"] == "oct" {
			return Hole, fmt.Sprintf("key %v is symmetric", key["kid"])
		}
	}
	return OK, fmt.Sprintf("%d keys", len(set.Keys))
}

// keys is the published set as go-jose reads it; what it cannot read is not there.
func (b *bench) keys(ctx context.Context) *jose.JSONWebKeySet {
	set := &jose.JSONWebKeySet{}
	a := b.send(ctx, call{method: http.MethodGet, url: b.meta.JWKS})
	if a.Err != nil || json.Unmarshal(a.Body, set) != nil {
		return &jose.JSONWebKeySet{}
	}
	return set
}

// endpointProbe asks an endpoint about a token that does not exist, without a
// certificate: nothing can change by it.
func (b *bench) endpointProbe(name, title, danger, endpoint string) probe {
	return probe{name, title, danger, func(ctx context.Context, _ *bench) (Outcome, string) {
		if endpoint == "" {
			return Skipped, "the metadata names no such endpoint"
		}
		a := b.send(ctx, post(endpoint, url.Values{"token": {"selftest"}, "client_id": {b.ClientID}}, nil))
		return a.refused(), a.say()
	}}
}
