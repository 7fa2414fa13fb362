package dev

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/certbound/certbound/cmd/certbound/internal/config"
)

// Run serves until ctx ends. When every listener answers it writes dev.json and
// calls ready; dev.json is gone when Run returns.
func (s *Server) Run(ctx context.Context, ready func()) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	served := make(chan error, 1)
	go func() {
		served <- s.group.Run(ctx)
		stop() // one listener failed: the rest of us ends with it
	}()
	err := s.probe(ctx)
	if err == nil {
		err = s.Info.write()
	}
	if err == nil {
		ready()
		<-ctx.Done()
	}
	if ctx.Err() != nil {
		err = nil // told to stop, perhaps before everything was up
	}
	stop()
	// dev.json goes first: who still finds it must find somebody listening.
	return errors.Join(err, s.Info.remove(), <-served)
}

// probe asks every listener once. They are bound already, so a request waits in
// the queue until its server accepts; there is nothing to poll for.
func (s *Server) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	roots, err := config.ReadRoots(config.Path(s.Info.Path(s.Info.CA)))
	if err != nil {
		return fmt.Errorf("dev: %w", err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for _, address := range []string{s.Info.JWKSURI, s.Info.Ops + "/readyz", s.Info.Upstream.Hits} {
		if err := answers(ctx, client, address); err != nil {
			return err
		}
	}
	if err := handshakes(ctx, s.Info.Proxy, roots); err != nil {
		return err
	}
	if err := handshakes(ctx, s.Info.Admin, roots); err != nil {
		return err
	}
	return s.heard(ctx)
}

// heard waits until the proxy has heard the revocation feed: before, it refuses
// everybody.
func (s *Server) heard(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := s.front.Ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("dev: the proxy has not heard the revocation feed: %w", err)
		}
	}
}

// handshakes asks the proxy for no more than TLS: any request would be decided
// and logged, as if somebody had made it.
func handshakes(ctx context.Context, origin string, roots *x509.CertPool) error {
	u, err := url.Parse(origin)
	if err != nil {
		return fmt.Errorf("dev: %w", err)
	}
	dialer := &tls.Dialer{Config: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}}
	conn, err := dialer.DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return fmt.Errorf("dev: %s: %w", origin, err)
	}
	return conn.Close()
}

func answers(ctx context.Context, client *http.Client, address string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return fmt.Errorf("dev: %w", err)
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("dev: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		err = fmt.Errorf("dev: %s answered %d at the start", address, response.StatusCode)
	}
	return errors.Join(err, response.Body.Close())
}
