package keys

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"encoding/base64"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// memory is a Store with the rules of the real one.
type memory struct {
	mu      sync.Mutex
	records []Record
	// meet, when set, makes that many readers of an empty store wait for each other.
	meet *sync.WaitGroup
}

func (m *memory) SigningKeys(context.Context) ([]Record, error) {
	m.mu.Lock()
	records := slices.Clone(m.records)
	m.mu.Unlock()
	if m.meet != nil && len(records) == 0 {
		m.meet.Done()
		m.meet.Wait()
	}
	return records, nil
}

func (m *memory) AddSigningKey(_ context.Context, r Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, have := range m.records {
		sameUse := have.Purpose == r.Purpose && have.Algorithm == r.Algorithm
		if have.KID == r.KID || sameUse && have.Status == StatusActive && r.Status == StatusActive {
			return ErrExists
		}
	}
	m.records = append(m.records, r)
	return nil
}

// Update runs fn as one transaction: what it did is undone when it fails.
func (m *memory) Update(fn func(Tx) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := slices.Clone(m.records)
	err := fn(memoryTx{m})
	if err != nil {
		m.records = before
	}
	return err
}

type memoryTx struct{ m *memory }

func (t memoryTx) SigningKeys(context.Context) ([]Record, error) {
	return slices.Clone(t.m.records), nil
}

func (t memoryTx) at(kid string) int {
	return slices.IndexFunc(t.m.records, func(r Record) bool { return r.KID == kid })
}

func (t memoryTx) AddSigningKey(_ context.Context, r Record) error {
	if t.at(r.KID) >= 0 || t.taken(r) {
		return ErrExists
	}
	t.m.records = append(t.m.records, r)
	return nil
}

func (t memoryTx) UpdateSigningKey(_ context.Context, r Record) error {
	if t.taken(r) {
		return ErrExists
	}
	t.m.records[t.at(r.KID)] = r
	return nil
}

func (t memoryTx) taken(r Record) bool {
	return slices.ContainsFunc(t.m.records, func(have Record) bool {
		return have.KID != r.KID && have.Purpose == r.Purpose && have.Algorithm == r.Algorithm &&
			have.Status == r.Status && (r.Status == StatusActive || r.Status == StatusNext)
	})
}

func (t memoryTx) RemoveSigningKey(_ context.Context, kid string) error {
	t.m.records = slices.Delete(t.m.records, t.at(kid), t.at(kid)+1)
	return nil
}

var start = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return start }

// kek returns a key-encryption key of the byte b.
func kek(id string, b byte) KEK { return KEK{ID: id, Key: bytes.Repeat([]byte{b}, kekSize)} }

func sealer(t testing.TB, active KEK, older ...KEK) *Sealer {
	t.Helper()
	s, err := NewSealer(active, older...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func open(t testing.TB, c Config) *Ring {
	t.Helper()
	r, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// record returns a new sealed record of the status.
func record(t testing.TB, s *Sealer, status string, created time.Time) Record {
	t.Helper()
	ring := &Ring{sealer: s, clock: func() time.Time { return created }, purpose: AccessTokens}
	key, err := generate(ES256)
	if err != nil {
		t.Fatal(err)
	}
	r, err := ring.newRecord(key, ES256)
	if err != nil {
		t.Fatal(err)
	}
	r.Status = status
	return r
}

// secrets returns every form in which the private key of r might leak.
func secrets(t testing.TB, s *Sealer, r *Record) map[string][]byte {
	t.Helper()
	o, err := openRecord(s, r)
	if err != nil {
		t.Fatal(err)
	}
	key := o.signer.key
	ec := key.(*ecdsa.PrivateKey)
	scalar, err := ec.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	der, err := encode(key)
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{
		"scalar":           scalar,
		"PKCS#8":           der,
		"scalar base64url": []byte(base64.RawURLEncoding.EncodeToString(scalar)),
		"scalar base64":    []byte(base64.RawStdEncoding.EncodeToString(scalar)),
		"PEM":              []byte("PRIVATE KEY"),
	}
}

// verify checks a compact JWS against a published set, as a resource server does.
func verify(t testing.TB, compact string, jwks []byte) []byte {
	t.Helper()
	jws, err := jose.ParseSignedCompact(compact, []jose.SignatureAlgorithm{jose.ES256, jose.ES384, jose.EdDSA, jose.PS256, jose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	set := parseSet(t, jwks)
	found := set.Key(jws.Signatures[0].Header.KeyID)
	if len(found) != 1 {
		t.Fatalf("%d keys are published under the kid of the token", len(found))
	}
	payload, err := jws.Verify(found[0])
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// mustKey generates a key of the algorithm.
func mustKey(t testing.TB, algorithm string) crypto.Signer {
	t.Helper()
	key, err := generate(algorithm)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
