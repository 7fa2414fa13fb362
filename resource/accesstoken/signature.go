package accesstoken

import (
	"errors"
	"fmt"
	"sync"

	"github.com/go-jose/go-jose/v4"
)

// ErrSignature means that a token's signature does not verify.
var ErrSignature = errors.New("accesstoken: the signature does not verify")

// protected is the first part of a token and what it was read as: a function of
// its octets, so that it may be kept with them.
type protected struct {
	text   string // base64url
	header Header
	// signed is a signature of go-jose's with this header, and without the octets of
	// the signature. It is asked for when a token has passed the cheaper checks.
	signed func() (jose.Signature, error)
}

func newProtected(text string, h Header) *protected {
	return &protected{text, h, sync.OnceValues(func() (jose.Signature, error) {
		// go-jose must read the algorithm that we have read.
		jws, err := jose.ParseSignedCompact(text+"..", []jose.SignatureAlgorithm{jose.SignatureAlgorithm(h.Algorithm)})
		if err != nil {
			return jose.Signature{}, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		return jws.Signatures[0], nil
	})}
}

// Verify checks the signature by the algorithm of the header, over the header and
// the Payload, which is what our own, stricter reader has read: there is no second
// one who could see another payload. That the key is for this algorithm must have
// been checked (RFC 8725 §3.1). The error wraps [ErrSignature], or [ErrMalformed]
// when go-jose takes exception to the header, or nobody has decoded c.
func (c *Compact) Verify(key any) error {
	if c.protected == nil {
		return fmt.Errorf("%w: not decoded", ErrMalformed)
	}
	signature, err := c.protected.signed()
	if err != nil {
		return err
	}
	signature.Signature = c.signature
	jws := jose.JSONWebSignature{Signatures: []jose.Signature{signature}}
	if err := jws.DetachedVerify(c.Payload, key); err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return nil
}
