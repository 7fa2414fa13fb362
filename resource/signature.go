package resource

import (
	"bytes"
	"context"

	"github.com/go-jose/go-jose/v4"

	"github.com/certbound/certbound/resource/accesstoken"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/resource/jwks"
)

// checkSignature verifies the token with the issuer's key that its kid names.
func (v *Verifier) checkSignature(ctx context.Context, c *accesstoken.Compact) *problem {
	keys, err := v.keys.Keys(ctx, c.Header.KeyID)
	if err != nil {
		return &problem{reason: decision.IssuerKeysUnavailable, detail: err.Error()}
	}
	alg := jose.SignatureAlgorithm(c.Header.Algorithm)
	jws, err := jose.ParseSignedCompact(c.Raw, []jose.SignatureAlgorithm{alg})
	if err != nil {
		return malformed(err)
	}
	found := &problem{reason: decision.KeyUnknown, seen: c.Header.KeyID, detail: "the issuer publishes no key with this kid"}
	for i := range keys {
		if keys[i].KeyID != c.Header.KeyID {
			continue // whatever the source thought it was asked for
		}
		// One algorithm per key (RFC 8725 §3.1): what the key is for decides, and
		// the header has to agree.
		keyAlg, err := jwks.Algorithm(&keys[i])
		if err != nil {
			found = &problem{reason: decision.KeyUnknown, seen: c.Header.KeyID, detail: err.Error()}
			continue
		}
		if keyAlg != alg {
			found = &problem{reason: decision.AlgorithmRefused, expected: string(keyAlg), seen: string(alg), detail: "the key of this kid is for another algorithm"}
			continue
		}
		if verifies(jws, keys[i].Key, c.Payload) {
			return nil
		}
		found = &problem{reason: decision.SignatureInvalid, seen: c.Header.KeyID, detail: "the signature does not verify with the issuer's key of this kid"}
	}
	return found
}

// verifies reports whether the signature is good and covers the very payload
// that our own, stricter reader has parsed.
func verifies(jws *jose.JSONWebSignature, key any, payload []byte) bool {
	signed, err := jws.Verify(key)
	return err == nil && bytes.Equal(signed, payload)
}
