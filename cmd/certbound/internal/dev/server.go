package dev

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/certbound/certbound/cmd/certbound/internal/ops"
	"github.com/certbound/certbound/cmd/certbound/internal/process"
	"github.com/certbound/certbound/keys"
)

// Server is a dev that has its directory, its keys and its listeners.
type Server struct {
	Info Info

	options  Options
	front    *process.Proxy
	group    process.Group
	cleanups []func() error // run in reverse
}

// New makes or reuses the directory and opens the listeners. Nothing is served
// before [Server.Run].
func New(ctx context.Context, o Options) (*Server, error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	s := &Server{options: o, group: process.Group{Logger: o.Logger, Metrics: o.Metrics}}
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Server) prepare(ctx context.Context) error {
	dir, err := filepath.Abs(s.options.Dir)
	if err != nil {
		return fmt.Errorf("dev: %w", err)
	}
	s.options.Dir, s.Info.dir = dir, dir
	if err := os.MkdirAll(filepath.Join(dir, "pki"), 0o700); err != nil {
		return fmt.Errorf("dev: %w", err)
	}
	release, err := lock(dir)
	if err != nil {
		return err
	}
	s.cleanups = append(s.cleanups, release)
	// A dev that was killed leaves its dev.json; nobody may take it for ours.
	if err := s.Info.remove(); err != nil {
		return err
	}
	certificates := pki{dir: filepath.Join(dir, "pki"), now: s.options.Clock()}
	made, err := makePKI(certificates)
	if err != nil {
		return err
	}
	if err := ensureKEK(s.file("kek")); err != nil {
		return err
	}
	ports, err := s.listen(ctx)
	if err != nil {
		return err
	}
	s.describe(ports)
	return s.assemble(ctx, made, ports)
}

func (s *Server) file(name string) string { return filepath.Join(s.options.Dir, name) }

// ensureKEK makes the key-encryption key at the first start.
func ensureKEK(file string) error {
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return keys.NewKEKFile(file)
}

// assemble makes the servers the way serve and proxy do.
func (s *Server) assemble(ctx context.Context, made *material, l *listeners) error {
	records, err := seed(made, s.Info.Audience)
	if err != nil {
		return err
	}
	serve, proxy := s.configs(l)
	if err := errors.Join(serve.Validate(), proxy.Validate()); err != nil {
		return fmt.Errorf("dev: %w", err)
	}
	options := process.Options{
		Logger: s.options.Logger, Clock: s.options.Clock, SigningKey: s.options.SigningKey, Registration: records,
		Metrics: s.options.Metrics,
	}
	options.Administrator = &process.Administrator{
		ClientID: administrator.id, PartnerID: administrator.partner,
		Certificate: made.certs[administrator.id], Recover: true,
	}
	authz, err := process.NewAuthz(ctx, serve, options)
	if err != nil {
		return fmt.Errorf("dev: %w", err)
	}
	s.cleanups = append(s.cleanups, authz.Close)
	front, err := process.NewProxy(proxy, options)
	if err != nil {
		return fmt.Errorf("dev: %w", err)
	}
	checks := append(authz.Checks, ops.Check{Name: "process", Probe: s.group.Ready})
	// Stopped in this order: a call under way may still need the keys of the
	// authorization server, and the API behind the proxy to the end.
	s.front = front
	s.cleanups = append(s.cleanups, func() error { front.Close(); return nil })
	s.group.Add("proxy", l.proxy, front.Server)
	s.group.Add("authz", l.authz, authz.Server)
	s.group.Add("admin", l.admin, authz.Admin)
	s.group.Add("ops", l.ops, process.PlainServer(ops.Handler(s.options.Metrics, checks...), s.options.Logger))
	s.group.Add("upstream", l.upstream, process.PlainServer(&upstream{}, s.options.Logger))
	return nil
}

// Close releases everything New opened. It may be called after Run or instead.
func (s *Server) Close() error {
	var errs []error
	for i := len(s.cleanups) - 1; i >= 0; i-- {
		errs = append(errs, s.cleanups[i]())
	}
	s.cleanups = nil
	if err := errors.Join(errs...); err != nil {
		s.options.Logger.LogAttrs(context.Background(), slog.LevelWarn, "close", slog.String("detail", err.Error()))
		return fmt.Errorf("dev: %w", err)
	}
	return nil
}
