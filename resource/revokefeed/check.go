package revokefeed

import (
	"errors"
	"fmt"
	"time"

	"github.com/certbound/certbound/resource/accesstoken"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/resource/jwks"
)

// ErrStale means that the authorization server has not been heard for too long,
// or never, so that nobody here knows what it has revoked since.
var ErrStale = errors.New("revokefeed: stale")

// snapshot is what readers see: the state, and when it was known to be current;
// the zero time when it was another follower's.
type snapshot struct {
	table *table
	seq   int64
	good  time.Time
}

// Check says whether a verified token, signed with the key keyID, has been
// revoked, and why: certificate_revoked, token_revoked (the token itself, or the
// key that signed it) or client_disabled; "" when it has not been. The error
// wraps [ErrStale]. It comes beside the reason and not instead of it: what is
// known to be revoked stays revoked however old the knowledge is.
func (f *Follower) Check(c *accesstoken.Claims, keyID string) (decision.Reason, error) {
	s := f.current.Load()
	now := f.clock() // after the load: a snapshot from the future would look stale
	if s == nil {
		return "", f.staleError("there has been no good answer yet")
	}
	reason := s.table.reason(c, keyID, now.Unix())
	switch {
	case s.good.IsZero():
		return reason, f.staleError("there has been no good answer yet")
	case !f.fresh(s, now):
		return reason, f.staleError(fmt.Sprintf("the last good answer is %v old", jwks.Age(s.good, now).Truncate(time.Second)))
	}
	return reason, nil
}

// reason names the most particular thing first: revoking a certificate may raise
// its client's generation as well, and the operator wants to read what was done.
func (t *table) reason(c *accesstoken.Claims, keyID string, now int64) decision.Reason {
	if !c.Thumbprint.IsZero() {
		if _, denied := t.certificates.get(c.Thumbprint, now); denied {
			return decision.CertificateRevoked
		}
		if _, denied := t.bindings.get(binding{c.ClientID, c.Thumbprint}, now); denied {
			return decision.CertificateRevoked
		}
	}
	if _, denied := t.names.get(name{KindToken, c.ID}, now); denied {
		return decision.TokenRevoked
	}
	if d, known := t.names.get(name{KindClient, c.ClientID}, now); known && c.Generation < d.minGeneration {
		return decision.ClientDisabled
	}
	if t.deniesKey(keyID, now) {
		return decision.TokenRevoked
	}
	return ""
}

func (t *table) deniesKey(keyID string, now int64) bool {
	_, denied := t.names.get(name{KindKey, keyID}, now)
	return denied
}

func (f *Follower) fresh(s *snapshot, now time.Time) bool {
	a := jwks.Age(s.good, now)
	return a >= 0 && a <= f.maxStaleness
}

func (f *Follower) staleError(what string) error {
	if last := f.LastError(); last != nil {
		return fmt.Errorf("%w: %s; the last attempt: %w", ErrStale, what, last)
	}
	return fmt.Errorf("%w: %s", ErrStale, what)
}

// Ready is nil while the state is current enough to serve by, and the error of
// [Follower.Check] otherwise.
func (f *Follower) Ready() error {
	_, err := f.Check(&accesstoken.Claims{}, "")
	return err
}

// Age is how long ago the last good answer came, or how long the follower has
// waited for the first one.
func (f *Follower) Age() time.Duration {
	if s := f.current.Load(); s != nil && !s.good.IsZero() {
		return jwks.Age(s.good, f.clock())
	}
	return jwks.Age(f.created, f.clock())
}

// Seq is the sequence number of the state, 0 before there is one.
func (f *Follower) Seq() int64 {
	if s := f.current.Load(); s != nil {
		return s.seq
	}
	return 0
}

// Entries is how many denials and generations the state holds.
func (f *Follower) Entries() int {
	if s := f.current.Load(); s != nil {
		return s.table.entries()
	}
	return 0
}

// LastError is why the last attempt brought no good answer; nil when it did.
func (f *Follower) LastError() error {
	if p := f.lastError.Load(); p != nil {
		return *p
	}
	return nil
}
