package resource_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/accesstoken"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/resource/jwks"
)

// changing is a KeySource whose keys the test changes.
type changing struct {
	mu   sync.Mutex
	keys jwks.Set
	err  error
}

func (c *changing) Keys(ctx context.Context, kid string) ([]jose.JSONWebKey, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return nil, c.err
	}
	return c.keys.Keys(ctx, kid)
}

func otherKey(t testing.TB) *ecdsa.PublicKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &key.PublicKey
}

// TestKnownTokenIsJudgedEachTime: a good signature is all that is remembered.
func TestKnownTokenIsJudgedEachTime(t *testing.T) {
	same := func(b *bench) ecdsa.PublicKey { return b.key.PublicKey }
	for name, tt := range map[string]struct {
		change func(b *bench, k *changing, l *ledger)
		pair   func(b *bench) *keystest.Pair
		scope  string
		want   decision.Reason
	}{
		"nothing has changed":        {nil, nil, "", ""},
		"expired since":              {func(b *bench, _ *changing, _ *ledger) { b.now = b.now.Add(5 * time.Minute) }, nil, "", decision.TokenExpired},
		"the clock was set back":     {func(b *bench, _ *changing, _ *ledger) { b.now = b.now.Add(-time.Minute) }, nil, "", decision.TokenNotYetValid},
		"the key was withdrawn":      {func(_ *bench, k *changing, _ *ledger) { k.keys = jwks.Set{} }, nil, "", decision.KeyUnknown},
		"the key was replaced":       {func(_ *bench, k *changing, _ *ledger) { k.keys = jwks.Set{{Key: otherKey(t), KeyID: keyID}} }, nil, "", decision.SignatureInvalid},
		"the key is for another use": {func(b *bench, k *changing, _ *ledger) { k.keys = b.joseKey(func(j *jose.JSONWebKey) { j.Use = "enc" }) }, nil, "", decision.KeyUnknown},
		"the key is for another alg": {func(b *bench, k *changing, _ *ledger) {
			k.keys = b.joseKey(func(j *jose.JSONWebKey) { j.Algorithm = "RS256" })
		}, nil, "", decision.KeyUnknown},
		"the key is published anew": {func(b *bench, k *changing, _ *ledger) { p := same(b); k.keys[0].Key = &p }, nil, "", ""},
		"beside another of its kid": {func(_ *bench, k *changing, _ *ledger) {
			k.keys = append(jwks.Set{{Key: otherKey(t), KeyID: keyID}}, k.keys...)
		}, nil, "", ""},
		"the keys are not known":        {func(_ *bench, k *changing, _ *ledger) { k.err = jwks.ErrUnavailable }, nil, "", decision.IssuerKeysUnavailable},
		"the key or token was revoked":  {func(_ *bench, _ *changing, l *ledger) { l.say(decision.TokenRevoked, nil) }, nil, "", decision.TokenRevoked},
		"the feed is stale":             {func(_ *bench, _ *changing, l *ledger) { l.say("", errStale) }, nil, "", decision.RevocationsStale},
		"in other hands":                {nil, func(b *bench) *keystest.Pair { return &b.mallory }, "", decision.ThumbprintMismatch},
		"in nobody's hands":             {nil, func(*bench) *keystest.Pair { return nil }, "", decision.CertificateMissing},
		"where another scope is needed": {nil, nil, "accounts:write", decision.ScopeInsufficient},
	} {
		t.Run(name, func(t *testing.T) {
			k, l := &changing{}, &ledger{}
			b := newBench(t, func(c *resource.Config) { c.Keys, c.Revocations = k, l })
			k.keys = append(jwks.Set{}, b.keys...)
			token, scope := b.token(b.acme), "accounts:read"
			if _, err := b.verifier.VerifyRequest(request(token, &b.acme), scope); err != nil {
				t.Fatal(err)
			}
			if tt.change != nil {
				tt.change(b, k, l)
			}
			pair := &b.acme
			if tt.pair != nil {
				pair = tt.pair(b)
			}
			if tt.scope != "" {
				scope = tt.scope
			}
			for range 2 {
				if _, err := b.verifier.VerifyRequest(request(token, pair), scope); reason(t, err) != tt.want {
					t.Errorf("got %v, want %q", err, tt.want)
				}
			}
		})
	}
}

// TestForgedTwinOfAKnownToken: the whole token is the key, so nothing that
// differs anywhere is taken for it.
func TestForgedTwinOfAKnownToken(t *testing.T) {
	b := newBench(t)
	good := b.token(b.acme)
	if _, err := b.verifier.VerifyRequest(request(good, &b.acme)); err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(good, ".")
	more := b.claims(b.acme).with("scope", "accounts:read accounts:write").text()
	for name, forged := range map[string]string{
		"its signature under more scopes": parts[0] + "." + encode(more) + "." + parts[2],
		"its signature under its twin's":  parts[0] + "." + encode(b.claims(b.mallory).text()) + "." + parts[2],
		"another spelling":                good + "=",
		"another signature":               parts[0] + "." + parts[1] + "." + encode(strings.Repeat("x", 64)),
		"alg none":                        encode(b.header().with("alg", "none").text()) + "." + parts[1] + ".",
		"another kid":                     encode(b.header().with("kid", "k2").text()) + "." + parts[1] + "." + parts[2],
	} {
		for range 2 {
			if token, err := b.verifier.VerifyRequest(request(forged, &b.acme)); err == nil {
				t.Errorf("%s: accepted as %+v", name, token)
			}
		}
	}
}

// TestHandlersCannotChangeAKnownToken: what callers are shown is not what is
// checked.
func TestHandlersCannotChangeAKnownToken(t *testing.T) {
	b := newBench(t)
	raw := b.token(b.acme)
	for range 3 {
		token, err := b.verifier.VerifyRequest(request(raw, &b.acme), "accounts:read")
		if err != nil {
			t.Fatal(err)
		}
		token.Scopes[0], token.Audience[0] = "accounts:write", "https://evil.example"
		token.Decision.Evidence.ScopesNeeded[0] = "nothing"
		if _, err := b.verifier.VerifyRequest(request(raw, &b.acme), "accounts:write"); reason(t, err) != decision.ScopeInsufficient {
			t.Errorf("got %v", err)
		}
	}
}

// TestLaxVerifierDoesNotVouch: what a verifier that allows unbound tokens has seen
// is no token for the strict one that it shares its memory with.
func TestLaxVerifierDoesNotVouch(t *testing.T) {
	b := newBench(t)
	lax := b.verifier.InsecureAllowingUnbound()
	unbound := b.sign(b.header().text(), b.claims(b.acme).with("cnf", nil).text())
	for range 2 {
		if _, err := lax.VerifyRequest(request(unbound, nil)); err != nil {
			t.Fatal(err)
		}
		for _, pair := range []*keystest.Pair{&b.acme, &b.mallory} {
			if _, err := b.verifier.VerifyRequest(request(unbound, pair)); reason(t, err) != decision.TokenUnbound {
				t.Errorf("got %v", err)
			}
		}
		if _, err := b.verifier.VerifyRequest(request(unbound, nil)); err == nil {
			t.Error("accepted without a certificate")
		}
	}
}

// TestTraceRemembersNothing: an explanation makes no token known.
func TestTraceRemembersNothing(t *testing.T) {
	b := newBench(t)
	b.verifier.Trace(request(b.token(b.acme), &b.acme))
	if n := resource.Known(b.verifier); n != 0 {
		t.Errorf("%d tokens are remembered", n)
	}
}

// TestMemoryIsFlat: distinct tokens come and go, and garbage never comes in.
func TestMemoryIsFlat(t *testing.T) {
	const size = 256
	b := newBench(t, func(c *resource.Config) { c.CacheSize = size })
	var tokens []string
	for i := range 8 * size {
		tokens = append(tokens, b.sign(b.header().text(), b.claims(b.acme).with("jti", fmt.Sprint(i)).text()))
	}
	verify := func(token string) {
		if _, err := b.verifier.VerifyRequest(request(token, &b.acme)); err != nil {
			t.Fatal(err)
		}
	}
	known := func() int { return resource.Known(b.verifier) }
	for _, token := range tokens {
		verify(token)
	}
	if n := known(); n > size || n < size/4 {
		t.Errorf("%d tokens are remembered, CacheSize is %d", n, size)
	}
	last := tokens[len(tokens)-1]
	before := known()
	for i := range 8 * size {
		garbage := last[:len(last)-20] + fmt.Sprintf("%020d", i)
		if _, err := b.verifier.VerifyRequest(request(garbage, &b.acme)); err == nil {
			t.Fatal("garbage was accepted")
		}
	}
	if n := known(); n != before {
		t.Errorf("garbage changed what is remembered: %d, then %d", before, n)
	}
	long := b.sign(b.header().text(), b.claims(b.acme).with("padding", strings.Repeat("x", 4<<10)).text())
	verify(long)
	if n := known(); n != before {
		t.Errorf("a long token is remembered")
	}
	none := newBench(t, func(c *resource.Config) { c.CacheSize = -1 })
	if _, err := none.verifier.VerifyRequest(request(none.token(none.acme), &none.acme)); err != nil || resource.Known(none.verifier) != 0 {
		t.Errorf("without a cache: %v", err)
	}
}

// TestMillionDistinctTokens: what is remembered of a million tokens takes no more
// than what is remembered of a hundred thousand.
func TestMillionDistinctTokens(t *testing.T) {
	b := newBench(t)
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, padding := heap(), strings.Repeat("x", 680)
	var early uint64
	for i := 1; i <= 1_000_000; i++ {
		resource.Remember(b.verifier, padding+fmt.Sprintf("%020d", i), &accesstoken.Claims{Issuer: issuerURL, ID: fmt.Sprint(i), Audience: []string{audience}, Scopes: []string{"accounts:read"}})
		if i == 100_000 {
			early = heap()
		}
	}
	late := heap()
	t.Logf("%d tokens take %d KiB after a hundred thousand, %d KiB after a million", resource.Known(b.verifier), (early-before)>>10, (late-before)>>10)
	if late > early+early/2 {
		t.Errorf("memory grows: %d octets, then %d", early, late)
	}
	if n := resource.Known(b.verifier); n > resource.DefaultCacheSize {
		t.Errorf("%d tokens are remembered", n)
	}
}

// TestRepeatedTokenCostsNoAllocation is the promise of VerifyRequest. Ids are cut
// from blocks, so that it holds on average.
func TestRepeatedTokenCostsNoAllocation(t *testing.T) {
	b := newBench(t, func(c *resource.Config) { c.Revocations = &silent{} })
	for name, r := range map[string]string{"": "", "with a query": "page=1&sort=name"} {
		req := request(b.token(b.acme), &b.acme)
		req.URL.RawQuery = r
		if n := testing.AllocsPerRun(1000, func() {
			if _, err := b.verifier.VerifyRequest(req, "accounts:read"); err != nil {
				t.Fatal(err)
			}
		}); n >= 1 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// TestConnections: what is known of a connection is what it shows, and it goes
// with the connection.
func TestConnections(t *testing.T) {
	b := newBench(t)
	raw := b.token(b.acme)
	r := request(raw, &b.acme)
	if _, err := b.verifier.VerifyRequest(r); err != nil {
		t.Fatal(err)
	}
	// The same state with other certificates is another connection's.
	r.TLS.PeerCertificates[0] = b.mallory.Cert
	if _, err := b.verifier.VerifyRequest(r); reason(t, err) != decision.ThumbprintMismatch {
		t.Errorf("another leaf in place: %v", err)
	}
	r.TLS.PeerCertificates = nil
	if _, err := b.verifier.VerifyRequest(r); reason(t, err) != decision.CertificateMissing {
		t.Errorf("no certificate any more: %v", err)
	}
	r.TLS.PeerCertificates = []*x509.Certificate{b.acme.Cert, b.ca.Cert}
	if token, err := b.verifier.VerifyRequest(r); err != nil || len(token.Peer.Intermediates) != 1 {
		t.Errorf("with a chain: %v", err)
	}
	r.TLS.HandshakeComplete = false
	if _, err := b.verifier.VerifyRequest(r); reason(t, err) != decision.CertificateMissing {
		t.Errorf("a handshake that is not complete: %v", err)
	}
	r.TLS = nil
	if _, err := b.verifier.VerifyRequest(r); reason(t, err) != decision.CertificateMissing {
		t.Errorf("no TLS: %v", err)
	}
	// The certificate of an open connection expires.
	r = request(raw, &b.acme)
	b.now = b.acme.Cert.NotAfter
	if _, err := b.verifier.VerifyRequest(r); reason(t, err) != decision.TokenExpired {
		t.Errorf("at the last second of the certificate: %v", err)
	}
	b.now = b.now.Add(time.Second)
	if _, err := b.verifier.VerifyRequest(r); reason(t, err) != decision.CertificateExpired {
		t.Errorf("after it: %v", err)
	}
}

func TestConnectionsAreForgotten(t *testing.T) {
	b := newBench(t)
	raw := b.token(b.acme)
	for range 1000 {
		if _, err := b.verifier.VerifyRequest(request(raw, &b.acme)); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(20 * time.Second); resource.Connections(b.verifier) > 10; {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections are remembered after they have gone", resource.Connections(b.verifier))
		}
		runtime.GC()
		runtime.Gosched()
	}
}

// global is a connection state that no allocator has made.
var global tls.ConnectionState

func TestConnectionStateInAGlobal(t *testing.T) {
	b := newBench(t)
	r := request(b.token(b.acme), &b.acme)
	global = *r.TLS
	r.TLS = &global
	for range 2 {
		if _, err := b.verifier.VerifyRequest(r); err != nil {
			t.Error(err)
		}
	}
}
