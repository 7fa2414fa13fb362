package selftest

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// forgedToken is a token that no resource server may accept.
type forgedToken struct{ name, title, token string }

// parts is a JWT taken apart.
type parts struct {
	header, payload           map[string]any
	rawHeader, rawPayload, by string // by is the signature
}

func takeApart(token string) (*parts, error) {
	p := strings.Split(token, ".")
	if len(p) != 3 {
		return nil, errors.New("the token is not a JWT")
	}
	out := &parts{rawHeader: p[0], rawPayload: p[1], by: p[2]}
	var errs [2]error
	out.header, errs[0] = object(p[0])
	out.payload, errs[1] = object(p[1])
	return out, cmp.Or(errs[0], errs[1])
}

// object decodes a part that is a JSON object.
func object(part string) (members map[string]any, err error) {
	data, err := base64.RawURLEncoding.DecodeString(part)
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber() // times stay as they were written
	if err != nil || decoder.Decode(&members) != nil || members == nil {
		return nil, errors.New("the token is not a JWT")
	}
	return members, nil
}

// thumbprint is cnf's x5t#S256, or "".
func (p *parts) thumbprint() string {
	cnf, _ := p.payload["cnf"].(map[string]any)
	text, _ := cnf["x5t#S256"].(string)
	return text
}

func segment(members map[string]any) string {
	text, err := json.Marshal(members)
	if err != nil {
		panic(err) // it was JSON a moment ago
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

func with(members map[string]any, name string, value any) map[string]any {
	out := maps.Clone(members)
	if out[name] = value; value == nil {
		delete(out, name)
	}
	return out
}

// forgeries are changed copies of the good token, and copies signed by others.
// other is the thumbprint of a certificate that the attacker holds.
func (p *parts) forgeries(keys *jose.JSONWebKeySet, other string) ([]forgedToken, error) {
	later := with(p.payload, "exp", json.Number("4102444800")) // 2100
	all := []forgedToken{
		{"signature_changed", "the token with a changed signature", p.rawHeader + "." + p.rawPayload + "." + flip(p.by)},
		{"signature_missing", "the token without its signature", p.rawHeader + "." + p.rawPayload + "."},
		{"alg_none", "the token with alg none", segment(with(p.header, "alg", "none")) + "." + p.rawPayload + "."},
		{"alg_none_case", "the token with alg nOnE", segment(with(p.header, "alg", "nOnE")) + "." + p.rawPayload + "."},
		{"kid_changed", "the token with an unknown kid", segment(with(p.header, "kid", "selftest")) + "." + p.rawPayload + "." + p.by},
		{"kid_missing", "the token without a kid", segment(with(p.header, "kid", nil)) + "." + p.rawPayload + "." + p.by},
		{"typ_changed", "the token with typ JWT", segment(with(p.header, "typ", "JWT")) + "." + p.rawPayload + "." + p.by},
		{"exp_changed", "the token with a later exp", p.rawHeader + "." + segment(later) + "." + p.by},
		{"cnf_changed", "the token bound to another certificate", p.rawHeader + "." + segment(with(p.payload, "cnf", map[string]any{"x5t#S256": other})) + "." + p.by},
	}
	if p.payload["cnf"] != nil {
		all = append(all, forgedToken{"cnf_removed", "the token without cnf", p.rawHeader + "." + segment(with(p.payload, "cnf", nil)) + "." + p.by})
	}
	// What a token lacks cannot be taken from it: it would be the good one.
	good := p.rawHeader + "." + p.rawPayload + "." + p.by
	all = slices.DeleteFunc(all, func(f forgedToken) bool { return f.token == good })
	return p.signedByUs(all, keys)
}

// signedByUs adds tokens with a good signature of the wrong key.
func (p *parts) signedByUs(all []forgedToken, keys *jose.JSONWebKeySet) ([]forgedToken, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	kid, _ := p.header["kid"].(string)
	public := jose.JSONWebKey{Key: key, KeyID: kid, Algorithm: "ES256"}
	payload, err := json.Marshal(p.payload)
	if err != nil {
		return nil, fmt.Errorf("selftest: %w", err)
	}
	add := func(name, title string, key jose.SigningKey, o *jose.SignerOptions) error {
		token, err := sign(key, o.WithHeader("typ", p.header["typ"]), payload)
		all = append(all, forgedToken{name, title, token})
		return err
	}
	errs := []error{
		add("stranger_key", "a token of the same content, signed by a stranger under the same kid",
			jose.SigningKey{Algorithm: jose.ES256, Key: public}, &jose.SignerOptions{}),
		add("embedded_key", "a token signed by a stranger, with the key in its header",
			jose.SigningKey{Algorithm: jose.ES256, Key: public}, &jose.SignerOptions{EmbedJWK: true}),
	}
	for i, secret := range publicKeyTexts(keys, kid) {
		errs = append(errs, add(fmt.Sprintf("hs256_public_key_%d", i+1), "an HMAC with the issuer's public key as its secret",
			jose.SigningKey{Algorithm: jose.HS256, Key: secret}, (&jose.SignerOptions{}).WithHeader("kid", kid)))
	}
	return all, errors.Join(errs...)
}

func sign(key jose.SigningKey, o *jose.SignerOptions, payload []byte) (string, error) {
	signer, err := jose.NewSigner(key, o)
	if err != nil {
		return "", fmt.Errorf("selftest: %w", err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("selftest: %w", err)
	}
	return signed.CompactSerialize()
}

// publicKeyTexts are the forms of a public key that confused verifiers have used
// as an HMAC secret: its PEM and its DER.
func publicKeyTexts(keys *jose.JSONWebKeySet, kid string) [][]byte {
	for _, key := range keys.Key(kid) {
		der, err := x509.MarshalPKIXPublicKey(key.Key)
		if err != nil {
			continue
		}
		return [][]byte{pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), der}
	}
	return nil
}

// flip changes one character in the middle of a text of base64url.
func flip(s string) string {
	if s == "" {
		return "AAAA"
	}
	i, replacement := len(s)/2, byte('A')
	if s[i] == 'A' {
		replacement = 'B'
	}
	return s[:i] + string(replacement) + s[i+1:]
}
