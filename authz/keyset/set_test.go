package keyset

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/certbound/certbound/keys/keystest"
)

// jwk is a certificate as a partner publishes it.
func jwk(t testing.TB, key any, cert *x509.Certificate) map[string]any {
	t.Helper()
	text, err := jose.JSONWebKey{Key: key, Certificates: []*x509.Certificate{cert}}.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(text, &members); err != nil {
		t.Fatal(err)
	}
	return members
}

// document is the JWK set of the pairs.
func document(t testing.TB, pairs ...keystest.Pair) string {
	t.Helper()
	keys := []map[string]any{}
	for _, pair := range pairs {
		keys = append(keys, jwk(t, pair.Cert.PublicKey, pair.Cert))
	}
	return marshal(t, map[string]any{"keys": keys})
}

func marshal(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func with(members map[string]any, name string, value any) map[string]any {
	if value == nil {
		delete(members, name)
	} else {
		members[name] = value
	}
	return members
}

func TestParse(t *testing.T) {
	now := time.Now()
	one, two := keystest.SelfSigned(t), keystest.SelfSigned(t)
	public := func(p keystest.Pair) map[string]any { return jwk(t, p.Cert.PublicKey, p.Cert) }
	expired, tomorrow := keystest.SelfSigned(t, keystest.Expired()), keystest.SelfSigned(t, keystest.NotYetValid())
	weak := keystest.SelfSigned(t, keystest.RSA(1024))
	for _, tt := range []struct {
		name    string
		keys    []any
		count   int
		ignored string // part of what is noted; empty: nothing is
	}{
		{"none", []any{}, 0, ""},
		{"one", []any{public(one)}, 1, ""},
		{"two", []any{public(one), public(two)}, 2, ""},
		{"one twice", []any{public(one), public(one)}, 1, ""},
		{"valid from tomorrow", []any{public(tomorrow)}, 1, ""},
		{"a signing key without a certificate", []any{with(public(one), "x5c", nil), public(two)}, 1, ""},
		{"a key for encryption", []any{with(public(one), "use", "enc"), public(two)}, 1, ""},
		{"a symmetric key", []any{map[string]any{"kty": "oct", "k": "AAAA"}, public(two)}, 1, ""},
		{"an unknown kind of key", []any{map[string]any{"kty": "XYZ"}, public(two)}, 1, ""},
		{"unknown members", []any{with(public(one), "x-own", 1)}, 1, ""},
		{"expired beside a good one", []any{public(expired), public(two)}, 1, "keys[0]: peercert: "},
		{"weak", []any{public(weak)}, 0, "keys[0]: peercert: "},
		{"a private key", []any{jwk(t, one.Key, one.Cert), public(two)}, 1, "keys[0]: it holds a private or symmetric key"},
		{"x5c of another key", []any{with(public(one), "x5c", public(two)["x5c"])}, 0, "keys[0]: not a JWK whose key equals"},
		{"x5c that is none", []any{with(public(one), "x5c", []string{"AAAA"})}, 0, "keys[0]: not a JWK"},
		{"an empty x5c", []any{with(public(one), "x5c", []string{})}, 0, "keys[0]: x5c is missing"},
		{"not an object", []any{"key", public(two)}, 1, "keys[0]: not a JWK"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			set, err := Parse([]byte(marshal(t, map[string]any{"keys": tt.keys})), now)
			if err != nil {
				t.Fatal(err)
			}
			if len(set.Certificates) != tt.count {
				t.Errorf("%d certificates, want %d", len(set.Certificates), tt.count)
			}
			if noted := strings.Join(set.Ignored, "; "); (noted == "") != (tt.ignored == "") || !strings.Contains(noted, tt.ignored) {
				t.Errorf("noted %q, want %q", noted, tt.ignored)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	pairs := make([]keystest.Pair, MaxCertificates+1)
	for i := range pairs {
		pairs[i] = keystest.SelfSigned(t)
	}
	for _, tt := range []struct{ name, text, want string }{
		{"nothing", "", "keyset: not a JWK set"},
		{"a page", "<html>", "keyset: not a JWK set"},
		{"no keys", "{}", "keyset: not a JWK set: no keys member"},
		{"null", `{"keys":null}`, "keyset: not a JWK set: no keys member"},
		{"another case", `{"Keys":[]}`, "keyset: not a JWK set: no keys member"},
		{"keys twice", `{"keys":[],"keys":[]}`, "keyset: not a JWK set"},
		{"one key", marshal(t, jwk(t, pairs[0].Cert.PublicKey, pairs[0].Cert)), "keyset: not a JWK set: no keys member"},
		{"something after it", `{"keys":[]}{}`, "keyset: not a JWK set"},
		{"too many keys", `{"keys":[` + strings.Repeat(`{},`, maxKeys) + `{}]}`, "keyset: the set has more than 64 keys"},
		{"too many certificates", document(t, pairs...), "keyset: the set has more than 16 certificates"},
	} {
		set, err := Parse([]byte(tt.text), time.Now())
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v, %v; want %s", tt.name, set, err, tt.want)
		}
	}
}

// FuzzParse: whatever a partner publishes, what comes out is within bounds and
// could be registered.
func FuzzParse(f *testing.F) {
	one := keystest.SelfSigned(f)
	f.Add([]byte(document(f, one)))
	f.Add([]byte(document(f)))
	f.Add([]byte(fmt.Sprintf(`{"keys":[%s]}`, marshal(f, with(jwk(f, one.Cert.PublicKey, one.Cert), "use", "enc")))))
	f.Add([]byte(`{"keys":[{"kty":"oct","k":"AAAA"},{"d":1}]}`))
	now := time.Now()
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := Parse(data, now)
		if err != nil {
			return
		}
		if len(set.Certificates) > MaxCertificates || len(set.Ignored) > maxKeys {
			t.Errorf("%d certificates, %d ignored", len(set.Certificates), len(set.Ignored))
		}
		for _, cert := range set.Certificates {
			if err := usable(cert, now); err != nil {
				t.Error(err)
			}
		}
	})
}
