package keys

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// view is what a ring knew of its keys at one moment. It is never changed.
type view struct {
	read    time.Time // when the store was asked
	records []Record
	opened  []opened           // parallel to records
	active  map[string]*Signer // by algorithm
	latest  *Signer            // the one that became active last
}

// opened is what a record's envelope held.
type opened struct {
	signer *Signer         // nil when the private half was erased
	key    jose.JSONWebKey // public
	jwk    json.RawMessage // key, rendered once
}

// newView opens the records of one purpose; what before has opened is not opened
// again.
func newView(s *Sealer, purpose string, all []Record, before *view, read time.Time) (*view, error) {
	v := &view{read: read, active: map[string]*Signer{}}
	var latest time.Time
	for i := range all {
		r := &all[i]
		if r.Purpose != purpose {
			continue
		}
		o := before.reuse(r)
		if o == nil {
			var err error
			if o, err = openRecord(s, r); err != nil {
				return nil, err
			}
		}
		v.records, v.opened = append(v.records, *r), append(v.opened, *o)
		switch r.Status {
		case StatusActive:
			if err := v.activate(r, o); err != nil {
				return nil, err
			}
			if v.latest == nil || r.ActivatedAt.After(latest) {
				v.latest, latest = o.signer, r.ActivatedAt
			}
		case StatusNext, StatusRetired, StatusRevoked:
		default:
			return nil, fmt.Errorf("keys: %s %s has the unknown status %q", table, r.KID, r.Status)
		}
	}
	return v, nil
}

func (v *view) activate(r *Record, o *opened) error {
	if other := v.active[r.Algorithm]; other != nil {
		return fmt.Errorf("keys: both %s and %s are active for %s with %s", other.kid, r.KID, r.Purpose, r.Algorithm)
	}
	if o.signer == nil {
		return fmt.Errorf("keys: %s %s is active, but its private half was erased", table, r.KID)
	}
	v.active[r.Algorithm] = o.signer
	return nil
}

// reuse returns what an equal envelope of the same key held, or nil.
func (v *view) reuse(r *Record) *opened {
	if v == nil {
		return nil
	}
	for i := range v.records {
		if was := &v.records[i]; was.KID == r.KID && was.Algorithm == r.Algorithm && was.KEKID == r.KEKID && bytes.Equal(was.Sealed, r.Sealed) {
			return &v.opened[i]
		}
	}
	return nil
}

// openRecord opens the envelope of r and checks that row and key are one: what is
// published and what signs must not differ.
func openRecord(s *Sealer, r *Record) (*opened, error) {
	secret, err := s.open(r.KEKID, r.Sealed, r.place())
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	private, public, err := decode(secret)
	if err != nil {
		return nil, fmt.Errorf("keys: the envelope of %s %s (key-encryption key %q) is no key: %w", table, r.KID, r.KEKID, err)
	}
	if err := suits(public, r.Algorithm); err != nil {
		return nil, fmt.Errorf("keys: %s %s: %w", table, r.KID, err)
	}
	// The public key comes from the envelope and not from the row: a row that
	// somebody could write must not put a foreign key among ours.
	o := &opened{}
	if o.key, err = publicJWK(public, r.Algorithm); err != nil {
		return nil, err
	}
	if o.key.KeyID != r.KID {
		return nil, fmt.Errorf("keys: %s %s holds the key %s", table, r.KID, o.key.KeyID)
	}
	if o.jwk, err = json.Marshal(o.key); err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	if private != nil {
		o.signer = &Signer{kid: r.KID, algorithm: r.Algorithm, key: private}
	}
	return o, nil
}

// published reports whether resource servers are told of a key.
func published(r *Record, p Policy, now time.Time) bool {
	switch r.Status {
	case StatusNext, StatusActive:
		return true
	case StatusRetired:
		return p.KeepPublic || now.Before(r.ExpiresAt)
	}
	return false
}

// jwks renders the JWK set.
func (v *view) jwks(p Policy, now time.Time) []byte {
	var set bytes.Buffer
	set.WriteString(`{"keys":[`)
	separator := ""
	for i := range v.records {
		if !published(&v.records[i], p, now) {
			continue
		}
		set.WriteString(separator)
		set.Write(v.opened[i].jwk)
		separator = ","
	}
	set.WriteString("]}")
	return set.Bytes()
}
