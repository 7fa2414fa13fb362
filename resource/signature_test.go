package resource_test

import (
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/accesstoken"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/resource/jwks"
)

// TestVerifyRequestRefusesSignatures alters what is behind the last dot.
func TestVerifyRequestRefusesSignatures(t *testing.T) {
	b := newBench(t)
	token := b.token(b.acme)
	unsigned, signature, _ := strings.Cut(token[strings.Index(token, ".")+1:], ".")
	unsigned = token[:strings.Index(token, ".")+1] + unsigned
	raw, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(octets []byte) string { return unsigned + "." + base64.RawURLEncoding.EncodeToString(octets) }
	digest := sha256.Sum256([]byte(unsigned))
	der, err := b.key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	flipped := append([]byte(nil), raw...)
	flipped[10] ^= 1
	foreign := newBench(t)
	foreign.now = b.now
	for name, tt := range map[string]struct {
		token string
		want  decision.Reason
	}{
		"none at all":       {unsigned + ".", decision.SignatureInvalid},
		"one bit":           {sign(flipped), decision.SignatureInvalid},
		"cut":               {sign(raw[:63]), decision.SignatureInvalid},
		"lengthened":        {sign(append([]byte{0}, raw...)), decision.SignatureInvalid},
		"swapped":           {sign(append(append([]byte(nil), raw[32:]...), raw[:32]...)), decision.SignatureInvalid},
		"zero":              {sign(make([]byte, 64)), decision.SignatureInvalid},
		"DER":               {sign(der), decision.SignatureInvalid},
		"another issuer's":  {foreign.sign(b.header().text(), b.claims(b.acme).text()), decision.SignatureInvalid},
		"padded":            {token + "==", decision.TokenMalformed},
		"payload exchanged": {strings.Replace(token, encode(b.claims(b.acme).text()), encode(b.claims(b.acme).with("scope", "admin").text()), 1), decision.SignatureInvalid},
		"header exchanged":  {strings.Replace(token, encode(b.header().text()), encode(b.header().with("x", 1).text()), 1), decision.SignatureInvalid},
	} {
		_, err := b.verifier.VerifyRequest(request(tt.token, &b.acme))
		if got := reason(t, err); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

// TestVerifyRequestRefusesKeyConfusion uses every encoding of the public key as
// an HMAC secret (RFC 8725 §2.1), under a header that names the HMAC and under
// one that does not.
func TestVerifyRequestRefusesKeyConfusion(t *testing.T) {
	b := newBench(t)
	der, err := x509.MarshalPKIXPublicKey(&b.key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	point, err := b.key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	secrets := map[string][]byte{
		"DER": der, "PEM": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}),
		"point": point, "x": point[1:33], "empty": nil,
	}
	for name, secret := range secrets {
		for alg, hash := range map[string]crypto.Hash{"HS256": crypto.SHA256, "HS384": crypto.SHA384, "HS512": crypto.SHA512, "ES256": crypto.SHA256} {
			input := encode(b.header().with("alg", alg).text()) + "." + encode(b.claims(b.acme).text())
			mac := hmac.New(hash.New, secret)
			mac.Write([]byte(input))
			want := decision.AlgorithmRefused
			if alg == "ES256" {
				want = decision.SignatureInvalid
			}
			_, err := b.verifier.VerifyRequest(request(input+"."+encode(string(mac.Sum(nil))), &b.acme))
			if got := reason(t, err); got != want {
				t.Errorf("%s with %s: got %q, want %q", alg, name, got, want)
			}
		}
	}
}

// TestVerifyRequestOneAlgorithmPerKey signs with an RSA key for RS256 in every
// other way RSA can sign.
func TestVerifyRequestOneAlgorithmPerKey(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	all := func(c *resource.Config) {
		c.Keys = jwks.Set{{Key: &key.PublicKey, KeyID: keyID}} // no alg: RS256 is meant
		c.Algorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
	}
	b := newBench(t, all)
	for alg, tt := range map[string]struct {
		hash crypto.Hash
		pss  bool
		want decision.Reason
	}{
		"RS256": {crypto.SHA256, false, ""}, "RS512": {crypto.SHA512, false, decision.AlgorithmRefused}, "PS256": {crypto.SHA256, true, decision.AlgorithmRefused},
	} {
		input := encode(b.header().with("alg", alg).text()) + "." + encode(b.claims(b.acme).text())
		var digest []byte
		if tt.hash == crypto.SHA512 {
			d := sha512.Sum512([]byte(input))
			digest = d[:]
		} else {
			d := sha256.Sum256([]byte(input))
			digest = d[:]
		}
		var opts crypto.SignerOpts = tt.hash
		if tt.pss {
			opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: tt.hash}
		}
		signature, err := key.Sign(rand.Reader, digest, opts)
		if err != nil {
			t.Fatal(err)
		}
		token := input + "." + encode(string(signature))
		_, err = b.verifier.VerifyRequest(request(token, &b.acme))
		if got := reason(t, err); got != tt.want {
			t.Errorf("%s: got %q, want %q", alg, got, tt.want)
		}
		if tt.want == "" {
			b.twins(t, token, b.acme)
		}
	}
}

func TestVerifyRequestRefusesUnfitKeys(t *testing.T) {
	b := newBench(t)
	for name, keys := range map[string]jwks.Set{
		"none":           {},
		"for encryption": b.joseKey(func(k *jose.JSONWebKey) { k.Use = "enc" }),
		"private":        b.joseKey(func(k *jose.JSONWebKey) { k.Key = b.key }),
		"wrong alg":      b.joseKey(func(k *jose.JSONWebKey) { k.Algorithm = "ES384" }),
		"symmetric":      b.joseKey(func(k *jose.JSONWebKey) { k.Key = []byte("secret"); k.Algorithm = "" }),
	} {
		v, err := resource.New(resource.Config{Issuer: issuerURL, Audience: audience, Keys: keys})
		if err != nil {
			t.Fatal(err)
		}
		_, err = v.VerifyRequest(request(b.token(b.acme), &b.acme))
		if got := reason(t, err); got != decision.KeyUnknown {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

// source is a KeySource made of a function.
type source func(kid string) ([]jose.JSONWebKey, error)

func (s source) Keys(_ context.Context, kid string) ([]jose.JSONWebKey, error) { return s(kid) }

func TestVerifyRequestKeySources(t *testing.T) {
	t.Run("no keys to be had", func(t *testing.T) {
		b := newBench(t, func(c *resource.Config) {
			c.Keys = source(func(string) ([]jose.JSONWebKey, error) { return nil, errors.New("down") })
		})
		_, err := b.verifier.VerifyRequest(request(b.token(b.acme), &b.acme))
		var refusal *resource.Refusal
		if !errors.As(err, &refusal) || refusal.Decision.Reason != decision.IssuerKeysUnavailable || refusal.Decision.Status != 503 || refusal.RetryAfter <= 0 {
			t.Errorf("got %+v", refusal)
		}
	})
	t.Run("a key under another kid", func(t *testing.T) {
		b := newBench(t)
		keys := b.joseKey(func(k *jose.JSONWebKey) { k.KeyID = "k2" })
		v, err := resource.New(resource.Config{Issuer: issuerURL, Audience: audience, Keys: source(func(string) ([]jose.JSONWebKey, error) { return keys, nil })})
		if err != nil {
			t.Fatal(err)
		}
		_, err = v.VerifyRequest(request(b.token(b.acme), &b.acme))
		if got := reason(t, err); got != decision.KeyUnknown {
			t.Errorf("got %q", got)
		}
	})
	t.Run("two keys of one kid", func(t *testing.T) {
		b, other := newBench(t), newBench(t)
		v, err := resource.New(resource.Config{Issuer: issuerURL, Audience: audience, Keys: append(other.keys, b.keys...)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = v.VerifyRequest(request(b.token(b.acme), &b.acme)); err != nil {
			t.Errorf("got %v", err)
		}
	})
	t.Run("not asked before the binding holds", func(t *testing.T) {
		b := newBench(t, func(c *resource.Config) {
			c.Keys = source(func(string) ([]jose.JSONWebKey, error) { panic("asked") })
		})
		_, err := b.verifier.VerifyRequest(request(b.token(b.acme), &b.mallory))
		if got := reason(t, err); got != decision.ThumbprintMismatch {
			t.Errorf("got %q", got)
		}
	})
}

// TestSignatureCoversWhatWasRead: a good signature over another payload than the
// one that our reader has taken from the token is none.
func TestSignatureCoversWhatWasRead(t *testing.T) {
	b := newBench(t)
	compact, err := accesstoken.Decode(b.sign(b.header().text(), b.claims(b.acme).text()))
	if err != nil {
		t.Fatal(err)
	}
	if err := compact.Verify(b.key.Public()); err != nil {
		t.Error(err)
	}
	compact.Payload = append(compact.Payload, ' ')
	if err := compact.Verify(b.key.Public()); !errors.Is(err, accesstoken.ErrSignature) {
		t.Errorf("another payload: %v", err)
	}
}
