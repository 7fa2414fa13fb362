package authz

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/certbound/certbound/authz/keyset"
	"github.com/certbound/certbound/authz/revoke"
	"github.com/certbound/certbound/keys/thumbprint"
)

// KeySets says how the key sets of self-signed clients are read that registered a
// jwks_uri (RFC 8705 §2.2.2).
type KeySets struct {
	Fetcher  keyset.Fetcher       // nil: none are read; clients keep the certificates they have
	Interval time.Duration        // between two reads; 0 means 15 minutes
	Floor    time.Duration        // between two tries; 0 means a minute
	Observe  func(keyset.Outcome) // hears how each try went; nil: nobody listens
}

// newKeySets returns nil when there is nothing to call out with.
func (s *Server) newKeySets(c Config, notifier *revoke.Notifier) (*keyset.Refresher, error) {
	if c.KeySets.Fetcher == nil {
		return nil, nil
	}
	return keyset.New(keyset.Config{
		Store: c.Store, Fetcher: c.KeySets.Fetcher, Audit: s.audit, Notify: notifier.Notify, Clock: c.Clock, Logger: c.Logger,
		Interval: c.KeySets.Interval, Floor: c.KeySets.Floor, Observe: c.KeySets.Observe,
	})
}

// keySetWisher is who hears of certificates that are not registered.
func (s *Server) keySetWisher() func(clientID string, shown thumbprint.Thumbprint) {
	if s.keySets == nil {
		return nil
	}
	return s.keySets.Wish
}

// KeySetsCurrent reports whether every jwks_uri could be read the last time. It is
// for operators: the clients are served with what was read before, and what is
// broken is at the partner's.
func (s *Server) KeySetsCurrent(ctx context.Context) error {
	const named = 5
	failing, err := s.store.FailingKeySets(ctx, named+1)
	if err != nil || len(failing) == 0 {
		return err
	}
	var ids []string
	for _, k := range failing[:min(named, len(failing))] {
		ids = append(ids, k.ClientID)
	}
	if len(failing) > named {
		ids = append(ids, "…")
	}
	return fmt.Errorf("the jwks_uri cannot be read of: %s", strings.Join(ids, ", "))
}
