package process

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/certbound/certbound/cmd/certbound/internal/config"
	"github.com/certbound/certbound/cmd/certbound/internal/ops"
	"github.com/certbound/certbound/keys/servertls"
)

// Proxy is a resource-server proxy that is ready to be served.
type Proxy struct {
	Server *http.Server

	o        Options
	listener *servertls.Listener
	current  atomic.Pointer[generation] // what the next request is judged by

	mu      sync.Mutex // held by Reload and Close
	closed  bool
	retired map[*following]*time.Timer // feeds of earlier generations that are still followed
}

// NewProxy opens everything a proxy needs, and reports all that is wrong with the
// files that a valid configuration names. It waits for nobody: the issuer may
// start later than the proxy.
func NewProxy(c *config.Proxy, o Options) (*Proxy, error) {
	var drain context.CancelFunc
	o.draining, drain = context.WithCancel(context.Background()) // ended by the server's stopping
	in, err := openProxy(c, o)
	if err != nil {
		drain()
		return nil, err
	}
	g, err := assembleProxy(c, o, in, nil)
	if err != nil {
		drain()
		return nil, fmt.Errorf("starting the proxy: %w", err)
	}
	warnUnfollowed(c, o.Logger)
	p := &Proxy{o: o, listener: in.listener, retired: map[*following]*time.Timer{}}
	g.feed.start(o.Logger)
	p.current.Store(g)
	o.Metrics.ShowProxy(func() ops.Proxy { return p.current.Load().measured(o.clock()) })
	p.Server = servertls.HTTPServer(p, in.listener.TLSConfig(), o.Logger)
	p.Server.RegisterOnShutdown(drain)   // streams would not end by themselves
	p.Server.RegisterOnShutdown(p.Close) // requests under way are served by what is known
	return p, nil
}

// CheckProxy opens every file that a valid configuration names, and makes all of
// the proxy but the listener, as a start and a reload do. It asks nobody.
func CheckProxy(c *config.Proxy, o Options) error {
	in, err := openProxy(c, o)
	if err == nil {
		_, err = assembleProxy(c, o, in, nil)
	}
	return err
}

// ServeHTTP hands the request to the configuration that is in force now: also on a
// connection that was opened under an earlier one.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.current.Load().handler.ServeHTTP(w, r)
}

// Ready is an error while the proxy refuses everybody because it does not know
// what has been revoked. It has the shape of a probe.
func (p *Proxy) Ready(context.Context) error { return p.current.Load().feed.ready() }

// Close ends the work behind the requests. Call it after the listeners are
// drained; calling it again is fine.
func (p *Proxy) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for feed, timer := range p.retired {
		timer.Stop()
		feed.stop()
	}
	clear(p.retired)
	p.current.Load().feed.stop()
}

func warnUnfollowed(c *config.Proxy, logger *slog.Logger) {
	if !c.Revocations.Followed() {
		logger.Warn("revocations_not_followed", "detail", "a revoked token is accepted until it expires; see revocations in the configuration")
	}
}
