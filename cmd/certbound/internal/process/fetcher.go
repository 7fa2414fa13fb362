package process

import (
	"context"
	"crypto/x509"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/certbound/certbound/cmd/certbound/internal/config"
	"github.com/certbound/certbound/keys/fetch"
)

// fetcher is the client in force; a reload exchanges it.
type fetcher struct{ client atomic.Pointer[fetch.Client] }

// Get implements keyset.Fetcher.
func (f *fetcher) Get(ctx context.Context, r fetch.Request) ([]byte, error) {
	return f.client.Load().Get(ctx, r)
}

// newFetcher opens the roots; what is wrong is placed at its setting.
func newFetcher(c *config.Serve) (*fetch.Client, error) {
	roots, err := fetchRoots(c.Fetch)
	if err != nil {
		return nil, c.Source.Problem("fetch.roots", err)
	}
	client, err := fetch.New(fetch.Config{Roots: roots, Allow: c.Fetch.AllowPrivate, Timeout: time.Duration(c.Fetch.Timeout)})
	return client, place(c.Source, "fetch", "fetch: ", err)
}

// fetchRoots returns nil when no roots are configured.
func fetchRoots(f config.Fetch) (*x509.CertPool, error) {
	if !f.SystemRoots && f.Roots == "" {
		return nil, nil
	}
	pool := x509.NewCertPool()
	if f.SystemRoots {
		var err error
		if pool, err = x509.SystemCertPool(); err != nil {
			return nil, fmt.Errorf("system_roots: %w", err)
		}
	}
	if f.Roots == "" {
		return pool, nil
	}
	return config.AddRoots(pool, f.Roots)
}
