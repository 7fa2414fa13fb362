package token

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/certbound/certbound/authz/clientauth"
	"github.com/certbound/certbound/authz/internal/fositex"
	"github.com/certbound/certbound/authz/oauth"
	"github.com/certbound/certbound/authz/registry"
	"github.com/certbound/certbound/keys"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/resource/accesstoken"
	"github.com/certbound/certbound/resource/decision"
)

// read is the first part of the pipeline: what needs no registration.
func read(w http.ResponseWriter, r *http.Request) (oauth.Form, *oauth.Error) {
	// 1. The form: body only, each parameter once (RFC 6749 §3.2).
	form, refusal := oauth.ParseForm(w, r)
	if refusal != nil {
		return form, refusal
	}
	// 2. The grant: the one we serve.
	return form, checkGrant(form)
}

// issue is the rest of the pipeline. No step can be reached without the ones
// before it, and each takes what it needs from their results. counted says whether
// the request has been counted, however often it is decided.
func (e *Endpoint) issue(r *http.Request, form oauth.Form, records *registry.Reading, evidence *decision.Evidence, counted *bool) (*Response, *oauth.Error) {
	// 3. The client: RFC 8705 §2, and its rate.
	client, refusal := e.Authenticator.With(records).Authenticate(r, form, evidence)
	if refusal != nil {
		return nil, refusal
	}
	if !*counted {
		if refusal := e.Rate.Take(e.Clock(), client.Client.ID); refusal != nil {
			return nil, refusal
		}
		*counted = true
	}
	// 4. The target: one API, and what of it the client may have.
	target, refusal := resolve(r.Context(), records, client.Client, form)
	if refusal != nil {
		return nil, refusal
	}
	evidence.Audience, evidence.ScopesHeld = target.audience, target.requested
	// 5. The lifetime: never past the certificate, or the time it retires.
	issuedAt := e.Clock().UTC().Truncate(time.Second)
	expiry, refusal := expires(issuedAt, e.lifetime(target), client.Until)
	if refusal != nil {
		return nil, refusal
	}
	// 6. The claims, bound to the certificate of this connection (RFC 8705 §3).
	claims := e.claims(client, target, issuedAt, expiry)
	evidence.TokenID, evidence.Issuer = claims.ID, claims.Issuer
	// 7. The key: the one that is active now, for the algorithm of the API.
	signer, err := e.Signers.Signer(r.Context(), target.signingAlg)
	if err != nil {
		return nil, oauth.RefuseFor(decision.SigningUnavailable, err)
	}
	evidence.KeyID = signer.KeyID()
	// 8. The grant's decision, and the signature.
	token, refusal := grant(r.Context(), signer, claims, target)
	if refusal != nil {
		return nil, refusal
	}
	return &Response{
		client:      client,
		AccessToken: token,
		TokenType:   "Bearer",
		ExpiresIn:   int64(expiry.Sub(issuedAt) / time.Second),
		Scope:       strings.Join(target.requested, " "),
	}, nil
}

func checkGrant(form oauth.Form) *oauth.Error {
	switch grant := form.Get(oauth.ParamGrantType); grant {
	case oauth.GrantClientCredentials:
		return nil
	case "":
		return oauth.Refuse(decision.RequestMalformed, "grant_type is missing")
	default:
		return &oauth.Error{Reason: decision.GrantUnsupported, Expected: oauth.GrantClientCredentials, Seen: grant}
	}
}

// lifetime is the API's own, or the server's default.
func (e *Endpoint) lifetime(t target) time.Duration {
	if t.lifetime > 0 {
		return min(t.lifetime, oauth.MaxTokenLifetime)
	}
	return e.Lifetime
}

// expires cuts the lifetime at the certificate's end, so that no token outlives
// the certificate it is bound to.
func expires(issuedAt time.Time, lifetime time.Duration, notAfter time.Time) (time.Time, *oauth.Error) {
	if notAfter.Sub(issuedAt) < minRemaining {
		return time.Time{}, oauth.Refuse(decision.CertificateExpired, "the client certificate ends, or retires, in less than 5 seconds")
	}
	expiry := issuedAt.Add(lifetime)
	if expiry.After(notAfter) {
		expiry = notAfter.UTC()
	}
	return expiry, nil
}

func (e *Endpoint) claims(client *clientauth.Authenticated, t target, issuedAt, expiry time.Time) *accesstoken.Claims {
	return &accesstoken.Claims{
		Issuer:     e.Issuer,
		Subject:    client.Client.ID,
		ClientID:   client.Client.ID,
		Audience:   []string{t.audience},
		ID:         newTokenID(),
		IssuedAt:   issuedAt,
		Expiry:     expiry,
		Partner:    client.Client.PartnerID,
		Generation: client.Client.Generation,
		Thumbprint: client.Peer.Thumbprint,
	}
}

// grant asks fosite's handler and has the claims signed inside its decision, so
// that no token exists before the grant stands.
func grant(ctx context.Context, signer *keys.Signer, claims *accesstoken.Claims, t target) (string, *oauth.Error) {
	signing := error(nil)
	token, err := fositex.ClientCredentials(ctx, fositex.Grant{
		ClientID:  claims.ClientID,
		Allowed:   t.allowed,
		Requested: t.requested,
		Audience:  t.audience,
	}, func(_ context.Context, scopes []string) (token string, err error) {
		claims.Scopes = scopes
		token, signing = sign(signer, claims)
		return token, signing
	})
	switch {
	case err == nil:
		return token, nil
	case signing != nil:
		return "", oauth.RefuseFor(decision.SigningUnavailable, signing)
	case errors.Is(err, fositex.ErrScope):
		return "", oauth.RefuseFor(decision.ScopeNotGranted, err)
	default:
		return "", oauth.RefuseFor(decision.InternalError, err)
	}
}

var errUnbound = errors.New("token: refusing to sign a token without a confirmation")

// sign is the last gate: whatever went wrong before, an unbound token is never
// signed (RFC 8705 §3.4).
func sign(signer *keys.Signer, claims *accesstoken.Claims) (string, error) {
	if claims.Thumbprint == (thumbprint.Thumbprint{}) {
		return "", errUnbound
	}
	payload, err := claims.Marshal()
	if err != nil {
		return "", err
	}
	return signer.Sign(payload, accesstoken.Type)
}

// newTokenID returns 160 random bits (RFC 6749 §10.10).
func newTokenID() string {
	var id [20]byte
	rand.Read(id[:]) // never fails: crypto/rand crashes the program instead
	return base64.RawURLEncoding.EncodeToString(id[:])
}
