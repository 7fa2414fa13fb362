package keyset

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"

	"github.com/certbound/certbound/keys/peercert"
	"github.com/certbound/certbound/keys/thumbprint"
)

// Bounds of a set.
const (
	MaxCertificates = 16 // of one client
	maxKeys         = 64 // of a published set, which serves other purposes too
)

var errNoCertificate = errors.New("x5c is missing: the certificate itself is registered (RFC 8705 §2.2.2)")

// Certificate reads one JWK. go-jose refuses a key that differs from the one in
// its x5c (RFC 7517 §4.7).
func Certificate(jwk []byte) (*x509.Certificate, error) {
	var key jose.JSONWebKey
	if err := key.UnmarshalJSON(jwk); err != nil {
		return nil, errors.New("not a JWK whose key equals that of the certificate in x5c")
	}
	if !key.IsPublic() {
		return nil, errors.New("it holds a private or symmetric key; register the public key only, and treat this one as disclosed")
	}
	if len(key.Certificates) == 0 {
		return nil, errNoCertificate
	}
	return key.Certificates[0], nil
}

// Set is what a published JWK set says about a client's certificates.
type Set struct {
	Certificates []*x509.Certificate // distinct
	Ignored      []string            // what was left out and might be a mistake
}

// Parse reads a published JWK set. It also holds the partner's keys for other
// purposes, so a key without x5c, for encryption or of an unknown kind is passed
// over (RFC 7517 §5), and so is a certificate that nobody could authenticate with,
// which is noted. What is not a JWK set, or too large, is an error; a set without
// a certificate is none.
func Parse(data []byte, now time.Time) (*Set, error) {
	// go-jose's fork of encoding/json: names are case-sensitive and unique.
	var document struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(data, &document); err != nil {
		return nil, errors.New("keyset: not a JWK set")
	}
	switch {
	case document.Keys == nil:
		return nil, errors.New("keyset: not a JWK set: no keys member")
	case len(document.Keys) > maxKeys:
		return nil, fmt.Errorf("keyset: the set has more than %d keys", maxKeys)
	}
	set := &Set{}
	for i, raw := range document.Keys {
		if err := set.add(raw, now); err != nil {
			set.Ignored = append(set.Ignored, fmt.Sprintf("keys[%d]: %v", i, err))
		}
	}
	if len(set.Certificates) > MaxCertificates {
		return nil, fmt.Errorf("keyset: the set has more than %d certificates", MaxCertificates)
	}
	return set, nil
}

func (s *Set) add(raw []byte, now time.Time) error {
	var members struct {
		Use  string          `json:"use"`
		X5C  json.RawMessage `json:"x5c"`
		Priv json.RawMessage `json:"d"`
	}
	if err := json.Unmarshal(raw, &members); err != nil {
		return errors.New("not a JWK")
	}
	if members.Priv == nil && (members.X5C == nil || members.Use == "enc") {
		return nil // another purpose
	}
	leaf, err := Certificate(raw)
	if err != nil {
		return err
	}
	if err := usable(leaf, now); err != nil {
		return err
	}
	if !slices.ContainsFunc(s.Certificates, leaf.Equal) {
		s.Certificates = append(s.Certificates, leaf)
	}
	return nil
}

// usable checks period and strength, as authentication will. A certificate for
// tomorrow may be published today.
func usable(leaf *x509.Certificate, now time.Time) error {
	peer := &peercert.Peer{Leaf: leaf, Thumbprint: thumbprint.Of(leaf)}
	if err := peer.Check(now); err != nil && !errors.Is(err, peercert.ErrNotYetValid) {
		return err
	}
	return nil
}
