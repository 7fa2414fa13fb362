package introspection

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4/json"
)

const (
	// endpointAge is how long the place of the endpoint is taken for granted, and
	// retryAfter how soon a failed look-up is tried again.
	endpointAge = time.Hour
	retryAfter  = time.Second
)

// endpoint knows where the endpoint is, from the configuration or from the
// issuer's metadata.
type endpoint struct {
	issuer, metadata, fixed string

	clock func() time.Time
	turn  chan struct{} // one looks up at a time

	mu      sync.Mutex
	address string
	until   time.Time // when to look again
	err     error     // of the last look-up
}

// get returns the address. When a look-up fails, an address that was good goes on
// being used: it is the place that may be old, not an answer.
func (e *endpoint) get(ctx context.Context, client *http.Client) (string, error) {
	if e.fixed != "" {
		return e.fixed, nil
	}
	if address, err, known := e.last(); known {
		return address, err
	}
	select {
	case e.turn <- struct{}{}:
		defer func() { <-e.turn }()
	case <-ctx.Done():
		return "", fmt.Errorf("introspection: waiting for the issuer's metadata: %w", ctx.Err())
	}
	if address, err, known := e.last(); known { // whoever had the turn before
		return address, err
	}
	// Whoever began it may leave; what is found out counts for all.
	lookup, cancel := context.WithTimeout(context.WithoutCancel(ctx), DefaultTimeout)
	defer cancel()
	address, err := e.discover(lookup, client)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err = err; err != nil {
		e.until = e.clock().Add(retryAfter)
		if e.address != "" {
			return e.address, nil
		}
		return "", err
	}
	e.address, e.until = address, e.clock().Add(endpointAge)
	return address, nil
}

func (e *endpoint) last() (address string, err error, known bool) { //nolint:revive // the error is the last look-up's, not ours
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.clock().Before(e.until) {
		return "", nil, false
	}
	if e.address != "" {
		return e.address, nil, true
	}
	return "", e.err, true
}

// discover reads the metadata, which must be the issuer's own: its issuer member
// is compared octet for octet (RFC 8414 §3.3).
func (e *endpoint) discover(ctx context.Context, client *http.Client) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.metadata, nil)
	if err != nil {
		return "", fmt.Errorf("introspection: %w", err)
	}
	body, err := exchange(client, req)
	if err != nil {
		return "", err
	}
	var metadata struct {
		Issuer   string `json:"issuer"`
		Endpoint string `json:"introspection_endpoint"`
		Aliases  struct {
			Endpoint string `json:"introspection_endpoint"`
		} `json:"mtls_endpoint_aliases"`
	}
	if err := json.Unmarshal(body, &metadata); err != nil {
		return "", fmt.Errorf("introspection: metadata of %s: %w", e.issuer, err)
	}
	if metadata.Issuer != e.issuer {
		return "", fmt.Errorf("introspection: metadata at %s is of issuer %q, not of %q", e.metadata, metadata.Issuer, e.issuer)
	}
	address := metadata.Endpoint
	if metadata.Aliases.Endpoint != "" {
		address = metadata.Aliases.Endpoint
	}
	if !isEndpoint(address) {
		return "", fmt.Errorf("introspection: introspection_endpoint %q of %s is not an https URL", address, e.issuer)
	}
	return address, nil
}
