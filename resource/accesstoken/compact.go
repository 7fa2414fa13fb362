package accesstoken

import (
	"encoding/base64"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/go-jose/go-jose/v4/json"
)

// MaxSize is the most octets a token may have. It bounds the work a stranger
// can ask for before any signature is checked.
const MaxSize = 8 << 10

// maxKeyID bounds what a stranger can put into caches and logs by a kid.
const maxKeyID = 256

// Header is what matters of a token's JOSE header.
type Header struct {
	Algorithm string // alg
	Type      string // typ; "" when absent, or no text
	KeyID     string // kid; "" when absent
}

// Compact is a token taken apart and not verified.
type Compact struct {
	Header  Header
	Payload []byte // decoded

	protected *protected
	signature []byte // decoded
}

// Decode takes a JWS in compact serialization apart (RFC 7515 §7.1), without
// verifying it: at most [MaxSize] octets, exactly three parts of canonical
// base64url, and a header that does not ask for anything we would have to
// understand.
func Decode(token string) (*Compact, error) { return new(Decoder).Decode(token) }

// Decoder is [Decode] for many tokens of few issuers. All tokens of one key have the
// same header to the octet, so the last headers are kept with what they were read
// as. The zero value is ready; it is safe for concurrent use.
type Decoder struct {
	known [knownHeaders]atomic.Pointer[protected]
}

const knownHeaders = 8

var headerSeed = maphash.MakeSeed()

// maxKnown bounds what a stranger's header can occupy.
const maxKnown = 512

// Decode is [Decode].
func (d *Decoder) Decode(token string) (*Compact, error) {
	if len(token) > MaxSize {
		return nil, fmt.Errorf("%w: more than %d octets", ErrMalformed, MaxSize)
	}
	if n := strings.Count(token, "."); n != 2 {
		return nil, fmt.Errorf("%w: %d parts instead of 3", ErrMalformed, n+1)
	}
	header, rest, _ := strings.Cut(token, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	c, err := &Compact{}, error(nil)
	if c.protected, err = d.header(header); err != nil {
		return nil, err
	}
	c.Header = c.protected.header
	if c.Payload, err = decodePart("payload", payload); err != nil {
		return nil, err
	}
	if c.signature, err = decodePart("signature", signature); err != nil {
		return nil, err
	}
	return c, nil
}

// header reads the first part of a token, unless it is known.
func (d *Decoder) header(text string) (*protected, error) {
	slot := &d.known[maphash.String(headerSeed, text)%knownHeaders]
	if known := slot.Load(); known != nil && known.text == text {
		return known, nil
	}
	raw, err := decodePart("header", text)
	if err != nil {
		return nil, err
	}
	h, err := parseHeader(raw)
	if err != nil {
		return nil, err
	}
	p := newProtected(strings.Clone(text), h) // as a part of the token it would keep all of it
	if len(text) <= maxKnown {
		slot.Store(p)
	}
	return p, nil
}

// strict refuses trailing bits that belong to no octet, so that one token has
// one spelling.
var strict = base64.RawURLEncoding.Strict()

func decodePart(name, part string) ([]byte, error) {
	// Go's decoder skips line breaks; the alphabet has none.
	if strings.ContainsAny(part, "\r\n") {
		return nil, fmt.Errorf("%w: line break in the %s", ErrMalformed, name)
	}
	data, err := strict.DecodeString(part)
	if err != nil {
		return nil, fmt.Errorf("%w: the %s is not canonical unpadded base64url", ErrMalformed, name)
	}
	return data, nil
}

// refused are the header parameters that make a token unacceptable by being
// there. A key that comes with the token proves nothing (RFC 8725 §3.10): jwk
// and its sisters are refused rather than ignored, because whoever sends them
// expects somebody to use them. crit and b64 ask for extensions and we
// understand none (RFC 7515 §4.1.11, RFC 7797 §6); zip, enc and cty belong to
// encrypted, compressed and nested tokens.
var refused = []string{"jwk", "jku", "x5u", "x5c", "crit", "b64", "zip", "enc", "cty"}

func parseHeader(data []byte) (Header, error) {
	members, err := object(data)
	if err != nil {
		return Header{}, fmt.Errorf("%w: header: %w", ErrMalformed, err)
	}
	for _, name := range refused {
		if _, ok := members[name]; ok {
			return Header{}, fmt.Errorf("%w: header parameter %s is not accepted", ErrMalformed, name)
		}
	}
	var h Header
	if h.Algorithm, err = headerText(members, "alg"); err != nil {
		return Header{}, err
	}
	if h.Algorithm == "" {
		return Header{}, fmt.Errorf("%w: header parameter alg is missing", ErrMalformed)
	}
	if h.KeyID, err = headerText(members, "kid"); err != nil {
		return Header{}, err
	}
	// A typ that is no text is no type we know, and is refused as that.
	h.Type, _ = headerText(members, "typ")
	if len(h.KeyID) > maxKeyID {
		return Header{}, fmt.Errorf("%w: header parameter kid is longer than %d octets", ErrMalformed, maxKeyID)
	}
	return h, nil
}

// headerText reads a header parameter; one that is absent is "".
func headerText(members map[string]json.RawMessage, name string) (string, error) {
	raw, ok := members[name]
	if !ok {
		return "", nil
	}
	s, err := text(raw)
	if err != nil {
		return "", fmt.Errorf("%w: header parameter %s %w", ErrMalformed, name, err)
	}
	return s, nil
}

// types are the spellings of RFC 9068 §4.
var types = []string{Type, "application/" + Type}

// IsType reports whether typ is that of an access token. Letter case does not
// matter: typ is a media type (RFC 7515 §4.1.9, RFC 2045 §5.1).
func IsType(typ string) bool {
	return slices.ContainsFunc(types, func(t string) bool { return strings.EqualFold(t, typ) })
}
