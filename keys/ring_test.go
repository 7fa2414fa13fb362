package keys

import (
	"bytes"
	"cmp"
	"crypto"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	gocmp "github.com/google/go-cmp/cmp"
)

func parseSet(t testing.TB, jwks []byte) jose.JSONWebKeySet {
	t.Helper()
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(jwks, &set); err != nil {
		t.Fatal(err)
	}
	return set
}

func TestSign(t *testing.T) {
	for _, algorithm := range append(Algorithms(), "") {
		t.Run("algorithm "+algorithm, func(t *testing.T) {
			r := open(t, Config{Store: &memory{}, Sealer: sealer(t, kek("k1", 1)), Clock: clock, Algorithm: algorithm})
			if want := cmp.Or(algorithm, ES256); r.Algorithm() != want {
				t.Errorf("algorithm %s, want %s", r.Algorithm(), want)
			}
			compact, err := r.Sign([]byte(`{"iss":"us"}`), "at+jwt")
			if err != nil {
				t.Fatal(err)
			}
			payload := verify(t, compact, r.PublicJWKS())
			if string(payload) != `{"iss":"us"}` {
				t.Errorf("payload %s", payload)
			}
			rawHeader, _, _ := strings.Cut(compact, ".")
			header, err := base64.RawURLEncoding.DecodeString(rawHeader)
			if err != nil {
				t.Fatal(err)
			}
			var got map[string]any
			if err := json.Unmarshal(header, &got); err != nil {
				t.Fatal(err)
			}
			want := map[string]any{"alg": r.Algorithm(), "kid": r.KeyID(), "typ": "at+jwt"}
			if diff := gocmp.Diff(want, got); diff != "" {
				t.Errorf("protected header (-want +got):\n%s", diff)
			}
			if _, err := r.Sign(nil, ""); err == nil || err.Error() != "keys: sign: typ is empty" {
				t.Errorf("Sign without typ: got error %v", err)
			}
		})
	}
}

func TestSignConcurrently(t *testing.T) {
	r := open(t, Config{Store: &memory{}, Sealer: sealer(t, kek("k1", 1)), Clock: clock})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			compact, err := r.Sign([]byte("{}"), "at+jwt")
			if err != nil {
				t.Error(err)
				return
			}
			verify(t, compact, r.PublicJWKS())
		})
	}
	wg.Wait()
}

// TestPublicJWKS: the members of each key are these and no others.
func TestPublicJWKS(t *testing.T) {
	for algorithm, members := range map[string][]string{
		ES256: {"alg", "crv", "kid", "kty", "use", "x", "y"},
		ES384: {"alg", "crv", "kid", "kty", "use", "x", "y"},
		EdDSA: {"alg", "crv", "kid", "kty", "use", "x"},
		PS256: {"alg", "e", "kid", "kty", "n", "use"},
		RS256: {"alg", "e", "kid", "kty", "n", "use"},
	} {
		t.Run(algorithm, func(t *testing.T) {
			r := open(t, Config{Store: &memory{}, Sealer: sealer(t, kek("k1", 1)), Clock: clock, Algorithm: algorithm})
			var set struct{ Keys []map[string]any }
			decoder := json.NewDecoder(bytes.NewReader(r.PublicJWKS()))
			decoder.DisallowUnknownFields()
			if err := decoder.Decode(&set); err != nil || len(set.Keys) != 1 {
				t.Fatalf("%d keys, error %v", len(set.Keys), err)
			}
			if diff := gocmp.Diff(members, slices.Sorted(maps.Keys(set.Keys[0]))); diff != "" {
				t.Errorf("members (-want +got):\n%s", diff)
			}
			if set.Keys[0]["use"] != "sig" || set.Keys[0]["alg"] != algorithm {
				t.Errorf("use %v, alg %v", set.Keys[0]["use"], set.Keys[0]["alg"])
			}
			jwk := parseSet(t, r.PublicJWKS()).Keys[0]
			sum, err := jwk.Thumbprint(crypto.SHA256)
			if err != nil {
				t.Fatal(err)
			}
			if want := base64.RawURLEncoding.EncodeToString(sum); r.KeyID() != want || jwk.KeyID != want {
				t.Errorf("kid %s, published %s, want the RFC 7638 thumbprint %s", r.KeyID(), jwk.KeyID, want)
			}
		})
	}
}

// TestPublicJWKSOverTime: a retired key is published until its tokens are gone.
func TestPublicJWKSOverTime(t *testing.T) {
	s := sealer(t, kek("k1", 1))
	retired := record(t, s, StatusRetired, start.Add(-time.Hour))
	retired.ExpiresAt = start.Add(time.Hour)
	next, active := record(t, s, StatusNext, start), record(t, s, StatusActive, start)
	otherPurpose := record(t, s, StatusActive, start)
	otherPurpose.Purpose = "revocation_feed" // sealed for another purpose, so it must not even be opened
	now := start
	r := open(t, Config{
		Store:  &memory{records: []Record{retired, active, next, otherPurpose}},
		Sealer: s, Clock: func() time.Time { return now },
	})
	if r.KeyID() != active.KID {
		t.Errorf("active key %s, want %s", r.KeyID(), active.KID)
	}
	for _, c := range []struct {
		after time.Duration
		want  []string
	}{
		{0, []string{retired.KID, active.KID, next.KID}},
		{time.Hour - time.Second, []string{retired.KID, active.KID, next.KID}},
		{time.Hour, []string{active.KID, next.KID}},
		{100 * time.Hour, []string{active.KID, next.KID}},
	} {
		now = start.Add(c.after)
		var got []string
		for _, k := range parseSet(t, r.PublicJWKS()).Keys {
			got = append(got, k.KeyID)
		}
		if diff := gocmp.Diff(c.want, got); diff != "" {
			t.Errorf("after %s (-want +got):\n%s", c.after, diff)
		}
	}
}

// TestPublicKey: what verifies is exactly what is published.
func TestPublicKey(t *testing.T) {
	s := sealer(t, kek("k1", 1))
	now := start
	retired := record(t, s, StatusRetired, start.Add(-2*time.Hour))
	retired.RetiredAt, retired.ExpiresAt = start, start.Add(time.Hour)
	foreign := record(t, s, StatusActive, start)
	store := &memory{records: []Record{retired, record(t, s, StatusNext, start)}}
	r := open(t, Config{Store: store, Sealer: s, Clock: func() time.Time { return now }})
	for _, when := range []time.Time{start, retired.ExpiresAt.Add(-time.Second), retired.ExpiresAt} {
		now = when
		set := parseSet(t, r.PublicJWKS())
		for _, want := range set.Keys {
			got, ok := r.PublicKey(want.KeyID)
			rendered, err := json.Marshal(got)
			if err != nil || !ok || !got.IsPublic() || !bytes.Contains(r.PublicJWKS(), rendered) {
				t.Errorf("at %s: %s: %v %s (%v)", when, want.KeyID, ok, rendered, err)
			}
		}
		if _, ok := r.PublicKey(retired.KID); ok != when.Before(retired.ExpiresAt) {
			t.Errorf("at %s: the retired key: %v", when, ok)
		}
	}
	for _, kid := range []string{"", "unknown", foreign.KID} {
		if _, ok := r.PublicKey(kid); ok {
			t.Errorf("there is a key %q", kid)
		}
	}
}

func TestOpenAgain(t *testing.T) {
	c := Config{Store: &memory{}, Sealer: sealer(t, kek("k1", 1)), Clock: clock}
	first, second := open(t, c), open(t, c)
	if first.KeyID() != second.KeyID() {
		t.Errorf("the second start uses %s, the first %s", second.KeyID(), first.KeyID())
	}
	stored := c.Store.(*memory).records[0]
	want := Record{
		KID: first.KeyID(), Purpose: "access_token", Algorithm: ES256, Status: StatusActive, PublicJWK: stored.PublicJWK,
		KEKID: "k1", Sealed: stored.Sealed, CreatedAt: start, ActivatedAt: start,
	}
	if diff := gocmp.Diff(want, stored); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
	if got := `{"keys":[` + stored.PublicJWK + `]}`; got != string(first.PublicJWKS()) {
		t.Errorf("stored %s, published %s", got, first.PublicJWKS())
	}
}

// TestAlgorithmChange: what signed goes on signing until the new algorithm has a
// key that everybody knows.
func TestAlgorithmChange(t *testing.T) {
	c := Config{Store: &memory{}, Sealer: sealer(t, kek("k1", 1)), Clock: clock}
	before := open(t, c)
	c.Algorithm = RS256
	after := open(t, c)
	if after.KeyID() != before.KeyID() || after.Algorithm() != ES256 {
		t.Errorf("after the change: %s with %s", after.KeyID(), after.Algorithm())
	}
}

// TestRace: two processes on an empty store both find no key, and end with one.
func TestRace(t *testing.T) {
	meet := &sync.WaitGroup{}
	store := &memory{meet: meet}
	const processes = 2
	meet.Add(processes)
	kids := make([]string, processes)
	var wg sync.WaitGroup
	for i := range processes {
		wg.Go(func() {
			r, err := Open(t.Context(), Config{Store: store, Sealer: sealer(t, kek("k1", 1)), Clock: clock})
			if err != nil {
				t.Error(err)
				return
			}
			kids[i] = r.KeyID()
		})
	}
	wg.Wait()
	if kids[0] != kids[1] || len(store.records) != 1 {
		t.Errorf("the processes use %q, %d keys are stored", kids, len(store.records))
	}
}

func TestWrongKEK(t *testing.T) {
	store := &memory{}
	right := kek("k1", 1)
	r := open(t, Config{Store: store, Sealer: sealer(t, right), Clock: clock})
	for name, c := range map[string]struct {
		sealer *Sealer
		want   string
	}{
		"other key under the id": {sealer(t, kek("k1", 2)),
			`keys: cannot open the envelope of signing_keys ` + r.KeyID() + `: key-encryption key "k1" is not the one it was sealed with, or the row was altered`},
		"other id": {sealer(t, kek("k2", 1)),
			`keys: cannot open the envelope of signing_keys ` + r.KeyID() + `: key-encryption key "k1" is not loaded`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(t.Context(), Config{Store: store, Sealer: c.sealer, Clock: clock})
			if !errors.Is(err, ErrSealed) || err.Error() != c.want {
				t.Fatalf("got error\n%v\nwant\n%s", err, c.want)
			}
			if len(store.records) != 1 {
				t.Error("a new key was made although one is there")
			}
			for what, secret := range secrets(t, sealer(t, right), &store.records[0]) {
				if strings.Contains(err.Error(), string(secret)) {
					t.Errorf("the error holds the %s", what)
				}
			}
		})
	}
}

// TestTwoKEKs: while key-encryption keys change, rows of both open.
func TestTwoKEKs(t *testing.T) {
	store := &memory{}
	older, newer := kek("2025", 1), kek("2026", 2)
	first := open(t, Config{Store: store, Sealer: sealer(t, older), Clock: clock})
	both := sealer(t, newer, older)
	store.records = append(store.records, record(t, both, StatusNext, start))
	if store.records[1].KEKID != "2026" {
		t.Errorf("a new row is sealed with %s, not the active key", store.records[1].KEKID)
	}
	r := open(t, Config{Store: store, Sealer: both, Clock: clock})
	if n := len(parseSet(t, r.PublicJWKS()).Keys); r.KeyID() != first.KeyID() || n != 2 {
		t.Errorf("active key %s, %d keys published", r.KeyID(), n)
	}
	if _, err := Open(t.Context(), Config{Store: store, Sealer: sealer(t, newer), Clock: clock}); !errors.Is(err, ErrSealed) {
		t.Errorf("without the older key: got error %v, want ErrSealed", err)
	}
}

// TestAlteredRows: who can write to the table cannot make a row mean another
// thing than it was sealed as.
func TestAlteredRows(t *testing.T) {
	s := sealer(t, kek("k1", 1))
	for name, alter := range map[string]func(rows []Record){
		"envelopes swapped between kids": func(rows []Record) { rows[0].Sealed, rows[1].Sealed = rows[1].Sealed, rows[0].Sealed },
		"envelope copied":                func(rows []Record) { rows[0].Sealed = rows[1].Sealed },
		"kid renamed":                    func(rows []Record) { rows[0].KID = "attackers-choice" },
		"bit flipped":                    func(rows []Record) { rows[0].Sealed[len(rows[0].Sealed)-1] ^= 1 },
		"wrapped key flipped":            func(rows []Record) { rows[0].Sealed[10] ^= 1 },
		"cut short":                      func(rows []Record) { rows[0].Sealed = rows[0].Sealed[:20] },
		"empty":                          func(rows []Record) { rows[0].Sealed = nil },
	} {
		t.Run(name, func(t *testing.T) {
			rows := []Record{record(t, s, StatusActive, start), record(t, s, StatusNext, start)}
			alter(rows)
			_, err := Open(t.Context(), Config{Store: &memory{records: rows}, Sealer: s, Clock: clock})
			if !errors.Is(err, ErrSealed) {
				t.Errorf("got error %v, want ErrSealed", err)
			}
		})
	}
	t.Run("moved to another purpose", func(t *testing.T) {
		row := record(t, s, StatusActive, start)
		row.Purpose = "revocation_feed"
		_, err := Open(t.Context(), Config{Store: &memory{records: []Record{row}}, Sealer: s, Clock: clock, Purpose: "revocation_feed"})
		if !errors.Is(err, ErrSealed) {
			t.Errorf("got error %v, want ErrSealed", err)
		}
	})
	t.Run("foreign public key", func(t *testing.T) {
		row, foreign := record(t, s, StatusActive, start), record(t, s, StatusActive, start)
		row.PublicJWK = foreign.PublicJWK
		r := open(t, Config{Store: &memory{records: []Record{row}}, Sealer: s, Clock: clock})
		if bytes.Contains(r.PublicJWKS(), []byte(foreign.KID)) {
			t.Error("a public key from an altered row is published")
		}
	})
	for name, c := range map[string]struct {
		alter func(*Record)
		want  string
	}{
		"unknown status":   {func(r *Record) { r.Status = "lost" }, `keys: signing_keys KID has the unknown status "lost"`},
		"other algorithm":  {func(r *Record) { r.Algorithm = RS256 }, `keys: signing_keys KID: keys: a key of type *ecdsa.PublicKey is not one for RS256`},
		"sealed something": {func(r *Record) { _, r.Sealed, _ = s.seal([]byte("no key"), r.place()) }, `keys: the envelope of signing_keys KID (key-encryption key "k1") is no key: it holds no PKCS#8 private key`},
	} {
		t.Run(name, func(t *testing.T) {
			row := record(t, s, StatusActive, start)
			c.alter(&row)
			_, err := Open(t.Context(), Config{Store: &memory{records: []Record{row}}, Sealer: s, Clock: clock})
			if want := strings.ReplaceAll(c.want, "KID", row.KID); err == nil || err.Error() != want {
				t.Errorf("got error\n%v\nwant\n%s", err, want)
			}
		})
	}
	t.Run("sealed under a foreign kid", func(t *testing.T) {
		row, foreign := record(t, s, StatusActive, start), record(t, s, StatusActive, start)
		secret, err := s.open(foreign.KEKID, foreign.Sealed, foreign.place())
		if err != nil {
			t.Fatal(err)
		}
		if _, row.Sealed, err = s.seal(secret, row.place()); err != nil {
			t.Fatal(err)
		}
		_, err = Open(t.Context(), Config{Store: &memory{records: []Record{row}}, Sealer: s, Clock: clock})
		if want := "keys: signing_keys " + row.KID + " holds the key " + foreign.KID; err == nil || err.Error() != want {
			t.Errorf("got error %v, want %s", err, want)
		}
	})
	t.Run("two active", func(t *testing.T) {
		rows := []Record{record(t, s, StatusActive, start), record(t, s, StatusActive, start)}
		_, err := Open(t.Context(), Config{Store: &memory{records: rows}, Sealer: s, Clock: clock})
		want := "keys: both " + rows[0].KID + " and " + rows[1].KID + " are active for access_token with ES256"
		if err == nil || err.Error() != want {
			t.Errorf("got error %v, want %s", err, want)
		}
	})
}
