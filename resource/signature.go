package resource

import (
	"context"
	"errors"

	"github.com/go-jose/go-jose/v4"

	"github.com/certbound/certbound/resource/accesstoken"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/resource/jwks"
)

// checkSignature verifies the token with the key of its issuer that its kid
// names. The issuer's keys are asked for on every request, and a signature that
// is known to be good is verified again when its key is no longer the same.
func (v *Verifier) checkSignature(ctx context.Context, t *trust, raw string, tok *reading) *problem {
	key, p := t.signer(ctx, raw, tok)
	if p != nil {
		return p
	}
	if key != &tok.key {
		v.results.put(raw, tok.withKey(key))
	}
	return nil
}

// signer is the key of the issuer that has signed the token; &tok.key when that
// was known.
func (t *trust) signer(ctx context.Context, raw string, tok *reading) (*jose.JSONWebKey, *problem) {
	keys, err := t.Keys.Keys(ctx, tok.header.KeyID)
	if err != nil {
		return nil, &problem{reason: decision.IssuerKeysUnavailable, detail: err.Error()}
	}
	for i := range keys {
		if tok.verifiedBy(&keys[i]) {
			return &tok.key, nil
		}
	}
	return tok.verify(keys, raw)
}

// verify returns the one of keys that verifies the token's signature.
func (t *reading) verify(keys []jose.JSONWebKey, raw string) (*jose.JSONWebKey, *problem) {
	alg, kid := jose.SignatureAlgorithm(t.header.Algorithm), t.header.KeyID
	compact, err := t.compact, error(nil)
	if compact == nil { // remembered, and its key is another one now
		if compact, err = accesstoken.Decode(raw); err != nil {
			return nil, malformed(err)
		}
	}
	found := &problem{reason: decision.KeyUnknown, seen: kid, detail: "the issuer publishes no key with this kid"}
	for i := range keys {
		if keys[i].KeyID != kid {
			continue // whatever the source thought it was asked for
		}
		// One algorithm per key (RFC 8725 §3.1): what the key is for decides, and
		// the header has to agree.
		keyAlg, err := jwks.Algorithm(&keys[i])
		if err != nil {
			found = &problem{reason: decision.KeyUnknown, seen: kid, detail: err.Error()}
			continue
		}
		if keyAlg != alg {
			found = &problem{reason: decision.AlgorithmRefused, expected: string(keyAlg), seen: string(alg), detail: "the key of this kid is for another algorithm"}
			continue
		}
		err = compact.Verify(keys[i].Key)
		if err == nil {
			return &keys[i], nil
		}
		if errors.Is(err, accesstoken.ErrMalformed) {
			return nil, malformed(err)
		}
		found = &problem{reason: decision.SignatureInvalid, seen: kid, detail: "the signature does not verify with the issuer's key of this kid"}
	}
	return nil, found
}
