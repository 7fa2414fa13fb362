package forge

import (
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"math/big"
	"strings"
	"testing"
)

func TestES256Verifies(t *testing.T) {
	key := NewKey()
	token := ES256(key, `{"alg":"ES256"}`, `{"a":1}`)
	input, signature, _ := cutLast(token)
	raw, err := b64.DecodeString(signature)
	if err != nil || len(raw) != 64 {
		t.Fatalf("signature of %d bytes, %v", len(raw), err)
	}
	digest := sha256.Sum256([]byte(input))
	if !ecdsa.Verify(&key.PublicKey, digest[:], new(big.Int).SetBytes(raw[:32]), new(big.Int).SetBytes(raw[32:])) {
		t.Error("the signature does not verify")
	}
	header, payload, err := Decode(token)
	if err != nil || header != `{"alg":"ES256"}` || payload != `{"a":1}` {
		t.Errorf("Decode: %q %q %v", header, payload, err)
	}
}

func TestES256DERVerifiesAsASN1(t *testing.T) {
	key := NewKey()
	input, signature, _ := cutLast(ES256DER(key, "{}", "{}"))
	raw, err := b64.DecodeString(signature)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte(input))
	if !ecdsa.VerifyASN1(&key.PublicKey, digest[:], raw) {
		t.Error("the signature does not verify")
	}
}

func TestHMAC(t *testing.T) {
	input, signature, _ := cutLast(HMAC("HS256", []byte("secret"), "{}", "{}"))
	mac := hmac.New(sha256.New, []byte("secret"))
	mac.Write([]byte(input))
	if want := b64.EncodeToString(mac.Sum(nil)); signature != want {
		t.Errorf("signature %s, want %s", signature, want)
	}
}

func TestPrivateJWK(t *testing.T) {
	key := NewKey()
	var members map[string]string
	if err := json.Unmarshal(PrivateJWK(key), &members); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"kty", "crv", "x", "y", "d", "kid", "alg", "use"} {
		if members[name] == "" {
			t.Errorf("no %s", name)
		}
	}
	if len(members["kid"]) != 43 {
		t.Errorf("kid %q", members["kid"])
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, token := range []string{"", "a", "a.b", "a.b.c.d", "!.e30.", "e30.!."} {
		if _, _, err := Decode(token); err == nil {
			t.Errorf("Decode(%q) says nothing", token)
		}
	}
}

func cutLast(token string) (input, signature string, ok bool) {
	i := strings.LastIndexByte(token, '.')
	if i < 0 {
		return token, "", false
	}
	return token[:i], token[i+1:], true
}
