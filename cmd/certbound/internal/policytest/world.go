package policytest

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/certbound/certbound/cmd/certbound/internal/config"
	"github.com/certbound/certbound/keys/ca"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/resource/accesstoken"
)

// world is what a proxy is surrounded by: an issuer, and two clients.
type world struct {
	issuer, audience string
	signer           jose.Signer
	public           jose.JSONWebKey
	own, other       *x509.Certificate
	now              time.Time
}

const keyID = "policy-test"

func newWorld(c *config.Proxy, now time.Time) (*world, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("policytest: %w", err)
	}
	w := &world{issuer: c.Issuer, audience: c.Audience, now: now}
	w.public = jose.JSONWebKey{Key: key.Public(), KeyID: keyID, Algorithm: string(jose.ES256), Use: "sig"}
	w.signer, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: keyID}},
		(&jose.SignerOptions{}).WithType(accesstoken.Type))
	if err != nil {
		return nil, fmt.Errorf("policytest: %w", err)
	}
	var ownErr, otherErr error
	w.own, ownErr = w.certificate("own")
	w.other, otherErr = w.certificate("other")
	return w, errors.Join(ownErr, otherErr)
}

func (w *world) certificate(name string) (*x509.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("policytest: %w", err)
	}
	return ca.SelfSignedClient(crypto.Signer(key), ca.ClientProfile{
		Subject: pkix.Name{CommonName: name}, NotBefore: w.now.Add(-time.Hour), NotAfter: w.now.Add(24 * time.Hour),
	})
}

// Keys are the issuer's.
func (w *world) Keys(_ context.Context, kid string) ([]jose.JSONWebKey, error) {
	if kid != keyID {
		return nil, nil
	}
	return []jose.JSONWebKey{w.public}, nil
}

// Introspect says of each token what the token says: whatever an issuer could know
// beyond that is not for a test of the policy.
func (w *world) Introspect(_ context.Context, token string) (*accesstoken.Claims, bool, error) {
	compact, err := accesstoken.Decode(token)
	if err != nil {
		return nil, false, err
	}
	claims, err := accesstoken.InsecureParseUnbound(compact.Payload)
	return claims, err == nil, err
}

// token is a token as a case describes it.
func (w *world) token(t *config.PolicyToken) (string, error) {
	client := t.Client
	if client == "" {
		client = "policy-test"
	}
	claims := &accesstoken.Claims{
		Issuer: w.issuer, Subject: client, ClientID: client, Partner: t.Partner, Audience: []string{w.audience},
		ID: "policy-test", IssuedAt: w.now, Expiry: w.now.Add(5 * time.Minute), Scopes: t.Scopes, Thumbprint: thumbprint.Of(w.own),
	}
	payload, err := claims.Marshal()
	if err == nil && t.Unbound {
		payload, err = without(payload, "cnf")
	}
	if err != nil {
		return "", err
	}
	jws, err := w.signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("policytest: %w", err)
	}
	return jws.CompactSerialize()
}

// without leaves a claim out, which package accesstoken would not do.
func without(payload []byte, claim string) ([]byte, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(payload, &members); err != nil {
		return nil, fmt.Errorf("policytest: %w", err)
	}
	delete(members, claim)
	return json.Marshal(members)
}
