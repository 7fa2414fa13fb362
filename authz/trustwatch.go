package authz

import (
	"context"
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
		err = fmt.Errorf("authz: reading trust bundles: %w", err)
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

// followTrust puts in force what other processes change, until ctx ends. It keeps
// trying after a failure.
func (s *Server) followTrust(ctx context.Context) {
	ticker := time.NewTicker(trustEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		s.refreshTrust(ctx)
	}
}

// refreshTrust puts in force what has changed. Token requests call it too, when
// they find that the registration has changed: none of them shall rest on a bundle
// that was retired before it.
func (s *Server) refreshTrust(ctx context.Context) {
	if s.trustChanged(ctx) && s.ReloadTrust(ctx) == nil {
		s.logger.LogAttrs(ctx, slog.LevelInfo, "trust_reloaded")
	}
}

func (s *Server) trustChanged(ctx context.Context) bool {
	states, err := s.store.TrustBundleStates(ctx)
	if err != nil {
		return false // each request that needs the database meets it, and /readyz
	}
	s.bundles.mu.Lock()
	defer s.bundles.mu.Unlock()
	return s.bundles.err != nil || !slices.Equal(states, s.bundles.inForce)
}
