package resource_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"testing"

	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/resource/jwks"
)

func BenchmarkVerifyRequest(b *testing.B) {
	bed := newBench(b)
	good := bed.token(bed.acme)
	for name, bm := range map[string]struct {
		token string
		want  decision.Reason
	}{
		"repeated":      {good, ""},
		"malformed":     {"x.y.z", decision.TokenMalformed},
		"expired":       {bed.sign(bed.header().text(), bed.claims(bed.acme).with("exp", 1).text()), decision.TokenExpired},
		"stolen":        {bed.token(bed.mallory), decision.ThumbprintMismatch},
		"bad_signature": {good[:len(good)-6] + "AAAAAA", decision.SignatureInvalid},
	} {
		b.Run(name, func(b *testing.B) {
			r := request(bm.token, &bed.acme)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := bed.verifier.VerifyRequest(r, "accounts:read"); reason(b, err) != bm.want {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkVerifyRequestRS256(b *testing.B) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	bed := newBench(b, func(c *resource.Config) { c.Keys = jwks.Set{{Key: &key.PublicKey, KeyID: keyID}} })
	input := encode(bed.header().with("alg", "RS256").text()) + "." + encode(bed.claims(bed.acme).text())
	digest := sha256.Sum256([]byte(input))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
	if err != nil {
		b.Fatal(err)
	}
	r := request(input+"."+encode(string(signature)), &bed.acme)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := bed.verifier.VerifyRequest(r); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerifyRequestNew is a token that has not been seen before: what a
// verifier without any memory does each time.
func BenchmarkVerifyRequestNew(b *testing.B) {
	bed := newBench(b, func(c *resource.Config) { c.CacheSize = -1 })
	r := request(bed.token(bed.acme), &bed.acme)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := bed.verifier.VerifyRequest(r, "accounts:read"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerifyRequestParallel is many connections with one token each.
func BenchmarkVerifyRequestParallel(b *testing.B) {
	bed := newBench(b)
	token := bed.token(bed.acme)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		r := request(token, &bed.acme)
		for pb.Next() {
			if _, err := bed.verifier.VerifyRequest(r, "accounts:read"); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
