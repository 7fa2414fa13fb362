package process

import (
	"bytes"
	"context"
	"errors"
	"log/slog"

	"github.com/certbound/certbound/authz/registration"
	"github.com/certbound/certbound/cmd/certbound/internal/config"
)

// Reload puts another valid configuration in force, and returns the settings in
// which it differs. On an error nothing has changed, but for one that comes from
// the trust bundles in the database: they are tried after everything else has
// been opened and checked, and a seed that was applied stays applied.
//
// The seed is applied only when its text is another one than the last: to apply
// it again would undo what administrators have changed since.
func (a *Authz) Reload(ctx context.Context, c *config.Serve) (changed []string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	changed, restart := a.config.Changes(c)
	quiet := a.o
	quiet.Logger = slog.New(slog.DiscardHandler) // warnings were given at the start
	in, err := openInputs(c, quiet, (*registration.Set).CheckShape)
	if err := errors.Join(restart, err); err != nil {
		return nil, err
	}
	if !bytes.Equal(in.seedText, a.seed) {
		if err := in.seed.Apply(ctx, a.store, a.o.clock()()); err != nil {
			return nil, placeSeed(c, err)
		}
		a.seed = in.seedText
	}
	if err := a.server.ReloadTrust(ctx); err != nil {
		return nil, err
	}
	if err := a.server.SetRates(c.RateLimits.Rates()); err != nil {
		return nil, err
	}
	warnLowered(ctx, a.o.Logger, a.config.Lowered(c))
	a.listener.Adopt(in.listener)
	a.fetcher.client.Store(in.fetcher)
	a.config = c
	return changed, nil
}

// warnLowered says which protections a reload takes away: at the start they are a
// choice, in a running process they may be half of a file.
func warnLowered(ctx context.Context, logger *slog.Logger, ways []string) {
	for _, way := range ways {
		logger.LogAttrs(ctx, slog.LevelWarn, "security_lowered", slog.String("detail", way))
	}
}
