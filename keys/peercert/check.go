package peercert

import (
	"fmt"
	"time"
)

// Check says whether the certificate may be used at the time now, as far as the
// certificate alone can tell: validity period first, then strength. Call it for
// every request; a connection may outlive its certificate.
func (p *Peer) Check(now time.Time) error {
	if p == nil || p.Leaf == nil {
		return ErrMissing
	}
	if err := p.checkPeriod(now); err != nil {
		return err
	}
	return CheckStrength(p.Leaf)
}

// checkPeriod includes both ends (RFC 5280 §4.1.2.5). Certificates count in
// whole seconds, so the last second belongs to the period as a whole.
func (p *Peer) checkPeriod(now time.Time) error {
	now = now.UTC().Truncate(time.Second)
	if now.Before(p.Leaf.NotBefore) {
		return fmt.Errorf("%w: it begins %s, now is %s", ErrNotYetValid, stamp(p.Leaf.NotBefore), stamp(now))
	}
	if now.After(p.Leaf.NotAfter) {
		return fmt.Errorf("%w: it ended %s, now is %s", ErrExpired, stamp(p.Leaf.NotAfter), stamp(now))
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
