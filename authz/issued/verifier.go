package issued

import (
	"errors"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/certbound/certbound/authz/oauth"
	"github.com/certbound/certbound/resource/accesstoken"
	"github.com/certbound/certbound/resource/decision"
)

// Keys supplies the public keys that access tokens are signed with, and no
// others. A key's Algorithm is the one it may be used with (RFC 8725 §3.1).
type Keys interface {
	PublicKey(kid string) (jose.JSONWebKey, bool)
}

// Config holds what a Verifier needs; all of it is required.
type Config struct {
	Issuer string // our iss
	Keys   Keys
	Clock  func() time.Time
}

// Verifier recognises our own tokens.
type Verifier struct {
	Config
	decoder accesstoken.Decoder
}

// New checks c and returns a Verifier.
func New(c Config) (*Verifier, error) {
	if c.Issuer == "" || c.Keys == nil || c.Clock == nil {
		return nil, errors.New("issued: Config needs Issuer, Keys and Clock")
	}
	return &Verifier{Config: c}, nil
}

// Token is an access token of ours that is not over.
type Token struct {
	accesstoken.Claims
	KeyID string // of the key that signed it
}

// Verify returns the token, or what is wrong with it. That is for the operator
// only: RFC 7009 §2.2 and RFC 7662 §2.2 give the caller one answer for all of it.
// What a good signature covers goes into the evidence.
func (v *Verifier) Verify(token string, evidence *decision.Evidence) (*Token, *oauth.Error) {
	compact, err := v.decoder.Decode(token)
	if err != nil {
		return nil, oauth.RefuseFor(decision.TokenMalformed, err)
	}
	if !accesstoken.IsType(compact.Header.Type) {
		// Other things are signed by other rings, so this is the second lock.
		return nil, &oauth.Error{Reason: decision.TypeRefused, Expected: accesstoken.Type, Seen: compact.Header.Type}
	}
	if refusal := v.checkSignature(compact); refusal != nil {
		return nil, refusal
	}
	claims, err := accesstoken.Parse(compact.Payload)
	if errors.Is(err, accesstoken.ErrUnbound) {
		return nil, oauth.RefuseFor(decision.TokenUnbound, err)
	}
	if err != nil {
		return nil, oauth.RefuseFor(decision.TokenMalformed, err)
	}
	evidence.Issuer, evidence.Audience = claims.Issuer, strings.Join(claims.Audience, " ")
	evidence.TokenID, evidence.KeyID = claims.ID, compact.Header.KeyID
	if refusal := v.checkClaims(claims); refusal != nil {
		return nil, refusal
	}
	return &Token{*claims, compact.Header.KeyID}, nil
}

// checkSignature verifies with our key of that kid and its one algorithm; the
// header has to agree, it does not choose.
func (v *Verifier) checkSignature(compact *accesstoken.Compact) *oauth.Error {
	kid := compact.Header.KeyID
	key, known := v.Keys.PublicKey(kid)
	if !known {
		return &oauth.Error{Reason: decision.KeyUnknown, Seen: kid, Detail: "no key of ours that is still in use has this kid"}
	}
	if compact.Header.Algorithm != key.Algorithm {
		return &oauth.Error{Reason: decision.AlgorithmRefused, Expected: key.Algorithm, Seen: compact.Header.Algorithm}
	}
	err := compact.Verify(key.Key)
	if errors.Is(err, accesstoken.ErrMalformed) {
		return oauth.RefuseFor(decision.TokenMalformed, err)
	}
	if err != nil {
		return &oauth.Error{Reason: decision.SignatureInvalid, Seen: kid, Detail: "the signature does not verify with our key of this kid"}
	}
	return nil
}

// checkClaims has no leeway: it was our clock that wrote exp. iat is not looked
// at, because instances whose clocks differ issue for each other.
func (v *Verifier) checkClaims(c *accesstoken.Claims) *oauth.Error {
	now := v.Clock()
	switch {
	case c.Issuer != v.Issuer:
		return &oauth.Error{Reason: decision.IssuerMismatch, Expected: v.Issuer, Seen: c.Issuer}
	case !now.Before(c.Expiry):
		return &oauth.Error{Reason: decision.TokenExpired, Expected: "exp " + c.Expiry.Format(time.RFC3339), Seen: "now " + now.UTC().Format(time.RFC3339)}
	case now.Before(c.NotBefore):
		return &oauth.Error{Reason: decision.TokenNotYetValid, Expected: "nbf " + c.NotBefore.Format(time.RFC3339), Seen: "now " + now.UTC().Format(time.RFC3339)}
	}
	return nil
}
