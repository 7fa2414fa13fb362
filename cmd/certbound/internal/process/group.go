package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/certbound/certbound/cmd/certbound/internal/ops"
)

// DrainTimeout is how long requests that are under way may take to finish after
// the process was told to stop.
const DrainTimeout = 10 * time.Second

// Group serves several listeners as one: when one fails or the context ends,
// all are drained, in the order in which they were added: first the listeners
// for callers, then what probes and answers behind them.
type Group struct {
	Logger   *slog.Logger
	Metrics  *ops.Metrics // shows the listeners; nil: nobody looks
	members  []member
	stopping atomic.Bool
}

// Ready is an error from the moment on at which the group begins to stop, so
// that nobody sends more while it drains. It has the shape of a probe.
func (g *Group) Ready(context.Context) error {
	if g.stopping.Load() {
		return errors.New("process: stopping")
	}
	return nil
}

type member struct {
	name     string
	listener net.Listener
	server   *http.Server
}

// Listen opens a TCP listener; the error names the address.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	var c net.ListenConfig
	return c.Listen(ctx, "tcp", address)
}

// Listen opens a listener and adds a server on it.
func (g *Group) Listen(ctx context.Context, name, address string, server *http.Server) error {
	listener, err := Listen(ctx, address)
	if err != nil {
		return err
	}
	g.Add(name, listener, server)
	return nil
}

// Close closes the listeners of a group that never ran; after Run there is
// nothing left to close.
func (g *Group) Close() {
	for _, m := range g.members {
		_ = m.listener.Close() // closed already when the group ran
	}
}

// Add puts a server on a listener. It speaks TLS when the server has a TLSConfig.
func (g *Group) Add(name string, listener net.Listener, server *http.Server) {
	g.Metrics.Watch(name, server)
	g.members = append(g.members, member{name, listener, server})
}

// Run serves until ctx ends, which is no error, or a listener fails. It returns
// when every request has been answered or DrainTimeout has passed.
func (g *Group) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	failures := make(chan error, len(g.members))
	var serving sync.WaitGroup
	for _, m := range g.members {
		serving.Go(func() {
			if err := m.serve(); !errors.Is(err, http.ErrServerClosed) {
				failures <- fmt.Errorf("process: %s listener %s: %w", m.name, m.listener.Addr(), err)
				stop()
			}
		})
		g.Logger.LogAttrs(ctx, slog.LevelInfo, "listening",
			slog.String("listener", m.name), slog.String("address", m.listener.Addr().String()))
	}
	<-ctx.Done()
	g.drain()
	serving.Wait()
	close(failures)
	var errs []error
	for err := range failures {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// drain stops one member after the other: it stops accepting, waits for requests
// under way, then cuts what is left. DrainTimeout is for all of them together.
func (g *Group) drain() {
	g.stopping.Store(true)
	ctx, cancel := context.WithTimeout(context.Background(), DrainTimeout)
	defer cancel()
	for _, m := range g.members {
		if err := m.server.Shutdown(ctx); err != nil {
			g.Logger.LogAttrs(ctx, slog.LevelWarn, "drain_incomplete",
				slog.String("listener", m.name), slog.String("detail", err.Error()))
			_ = m.server.Close() // what it reports has just been logged
		}
	}
	g.Logger.LogAttrs(ctx, slog.LevelInfo, "stopped")
}

func (m *member) serve() error {
	if m.server.TLSConfig != nil {
		return m.server.ServeTLS(patientListener{m.listener}, "", "")
	}
	return m.server.Serve(m.listener)
}
