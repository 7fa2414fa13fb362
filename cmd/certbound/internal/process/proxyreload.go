package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/certbound/certbound/cmd/certbound/internal/config"
)

const (
	// proofTime bounds how long a reload waits for the issuer to answer by what is
	// new. It is more than one attempt of either client takes.
	proofTime = 15 * time.Second
	// afterglow is how long the feed of an earlier generation is still followed when
	// no other one knows in its place. Requests that are with its verifier ask it
	// once, after a wait for the issuer's keys of 10 s at the most; they must not find
	// it stale. Streams ask it again and again, and end with it.
	afterglow = 30 * time.Second
)

// Reload puts another valid configuration in force as a whole, and returns the
// settings in which it differs. On an error nothing has changed.
//
// New keys and a new feed must have been heard before they replace those in
// force: the swap must not turn "known" into "not known yet", neither for the
// revocations (every request would be refused) nor for the keys. So what follows
// another issuer, or by another certificate, can be put in force only while the
// issuer answers.
func (p *Proxy) Reload(ctx context.Context, c *config.Proxy) (changed []string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errors.New("process: stopping")
	}
	earlier := p.current.Load()
	changed, restart := earlier.config.Changes(c)
	quiet := p.o
	quiet.Logger = slog.New(slog.DiscardHandler) // warnings were given at the start
	in, err := openProxy(c, quiet)
	if err := errors.Join(restart, err); err != nil {
		return nil, err
	}
	g, err := assembleProxy(c, p.o, in, earlier)
	if err != nil {
		return nil, fmt.Errorf("process: %w", err)
	}
	if err := p.prove(ctx, g, earlier); err != nil {
		return nil, err
	}
	if earlier.feed != nil {
		warnUnfollowed(c, p.o.Logger)
	}
	warnLowered(ctx, p.o.Logger, earlier.config.Lowered(c))
	p.listener.Adopt(in.listener)
	p.current.Store(g)
	p.retire(earlier, g)
	return changed, nil
}

// prove starts what is new in g and waits until it has heard from the issuer.
func (p *Proxy) prove(ctx context.Context, g, earlier *generation) error {
	ctx, cancel := context.WithTimeout(ctx, proofTime)
	defer cancel()
	if g.keys != earlier.keys {
		// There is no such key; the answer is known once the set is there.
		if _, err := g.keys.Keys(ctx, "reload"); err != nil {
			return g.config.Source.Problem("issuer", fmt.Errorf("its keys cannot be had by the new settings: %w", err))
		}
	}
	if g.feed == nil || g.feed == earlier.feed {
		return nil
	}
	g.feed.start(p.o.Logger)
	if err := g.feed.caughtUp(ctx); err != nil {
		g.feed.stop()
		return g.config.Source.Problem("revocations", err)
	}
	return nil
}

// caughtUp waits until the state is current.
func (f *following) caughtUp(ctx context.Context) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f.ready()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("the feed cannot be followed by the new settings: %w", err)
		}
	}
}

// retire lets go of what g did not take over.
func (p *Proxy) retire(earlier, g *generation) {
	earlier.named.release(g.named)
	if earlier.upstream != g.upstream {
		earlier.upstream.CloseIdleConnections()
	}
	feed := earlier.feed
	if feed == nil || feed == g.feed {
		return
	}
	if g.feed != nil && earlier.config.Issuer == g.config.Issuer {
		feed.next.Store(g.feed) // streams go on, and must hear of what is revoked from now on
		feed.stop()
		return
	}
	p.retired[feed] = time.AfterFunc(afterglow, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if _, still := p.retired[feed]; still {
			delete(p.retired, feed)
			feed.ended.Store(true)
			feed.stop()
		}
	})
}
