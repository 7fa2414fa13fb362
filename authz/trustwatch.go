package authz

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/certbound/certbound/storage"
)

// trustEvery is how often the database is asked whether another process has
// changed the trust bundles. The question reads names and versions, no
// certificates. A change made by a request of this process need not wait for it:
// ReloadTrust is there to be called.
const trustEvery = time.Second

// errTrustUnread: it is the database that failed, or the caller who left; of what it
// holds nothing is known.
var errTrustUnread = errors.New("authz: reading trust bundles")

// trustState is what is known of the trust bundles in the database.
type trustState struct {
	reload sync.Mutex // one reading at a time: an older one must not win

	mu      sync.Mutex
	inForce []storage.TrustBundle // names, versions and states
	err     error                 // why the last reading is not in force
}

func (t *trustState) set(inForce []storage.TrustBundle, err error) (changed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	changed = fmt.Sprint(t.err) != fmt.Sprint(err)
	if t.err = err; err == nil {
		t.inForce = inForce
	}
	return changed
}

// TrustCurrent is an error while the trust bundles in the database cannot be put
// in force, and earlier ones are. It has the shape of a probe.
func (s *Server) TrustCurrent(context.Context) error {
	s.bundles.mu.Lock()
	defer s.bundles.mu.Unlock()
	return s.bundles.err
}

// ReloadTrust reads the trust bundles again and puts them in force as a whole.
// On an error the bundles that were in force stay. A retired version that cannot
// be used any more is left out and logged: it accepts nobody, it only gives
// certificates it would have accepted a better reason.
func (s *Server) ReloadTrust(ctx context.Context) error {
	s.bundles.reload.Lock()
	defer s.bundles.reload.Unlock()
	// First: what changes after this is read by the next time.
	states, err := s.store.TrustBundleStates(ctx)
	if err != nil {
		err = fmt.Errorf("%w: %w", errTrustUnread, err)
	} else {
		err = s.replaceTrust(ctx)
	}
	if ctx.Err() == nil && s.bundles.set(states, err) {
		s.logTrust(ctx, err)
	}
	return err
}

func (s *Server) logTrust(ctx context.Context, err error) {
	if err != nil {
		s.logger.LogAttrs(ctx, slog.LevelError, "trust_reload_failed", slog.String("detail", err.Error()))
		return
	}
	s.logger.LogAttrs(ctx, slog.LevelInfo, "trust_reload_recovered")
}

// followTrust puts in force what other processes change. ReloadTrust reports a failure,
// or each request that meets the database.
func (s *Server) followTrust(ctx context.Context) { _ = s.refreshTrust(ctx) }

// refreshTrust puts in force what has changed. Token requests call it too, when
// they find that the registration has changed: none of them shall rest on a bundle
// that was retired before it.
func (s *Server) refreshTrust(ctx context.Context) error {
	changed, err := s.trustChanged(ctx)
	if err != nil || !changed {
		return err
	}
	if err := s.ReloadTrust(ctx); err != nil {
		return err
	}
	s.logger.LogAttrs(ctx, slog.LevelInfo, "trust_reloaded")
	return nil
}

func (s *Server) trustChanged(ctx context.Context) (bool, error) {
	states, err := s.store.TrustBundleStates(ctx)
	if err != nil {
		return false, fmt.Errorf("%w: %w", errTrustUnread, err)
	}
	s.bundles.mu.Lock()
	defer s.bundles.mu.Unlock()
	return s.bundles.err != nil || !slices.Equal(states, s.bundles.inForce), nil
}
