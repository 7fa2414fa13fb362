package admin

import (
	"context"
	"errors"
	"time"

	"github.com/certbound/certbound/keys/peercert"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/keys/trust"
	"github.com/certbound/certbound/storage"
)

// accepted is what the store holds of a registration already. The checks of the
// day are not repeated for it: a certificate that has expired since must not
// keep the server from starting, and is refused at the token endpoint anyway.
type accepted struct {
	bundles      map[string]string // name → ContentHash of the active version
	certificates map[clientCertificate]bool
}

type clientCertificate struct {
	clientID   string
	thumbprint thumbprint.Thumbprint
}

// accepted reads what of r the store holds. It is read before the transaction,
// whose function may run again and should then decide the same.
func (r *records) accepted(ctx context.Context, store storage.Reader) (accepted, error) {
	a := accepted{certificates: map[clientCertificate]bool{}}
	stored, err := store.TrustBundles(ctx)
	if err != nil {
		return a, err
	}
	a.bundles = activeHashes(stored)
	for _, c := range r.clients {
		if len(c.certificates) == 0 {
			continue
		}
		registered, err := store.ClientCertificates(ctx, c.client.ID)
		if err != nil {
			return a, err
		}
		for _, certificate := range registered {
			a.certificates[clientCertificate{c.client.ID, certificate.Thumbprint}] = true
		}
	}
	return a, nil
}

// judge runs the checks of the day on what has not been accepted yet.
func (r *records) judge(known accepted, now time.Time) (problems Problems) {
	for i, b := range r.bundles {
		if !b.sound || known.bundles[b.record.Name] == b.record.ContentHash {
			continue
		}
		_, err := trust.New(b.spec, now)
		for _, err := range split(err) {
			problems = append(problems, r.of.problem("trust_bundles", i, b.record.Name, "", err))
		}
	}
	for i, c := range r.clients {
		for n, certificate := range c.certificates {
			if known.certificates[clientCertificate{c.client.ID, certificate.record.Thumbprint}] {
				continue
			}
			if err := certificate.judge(n, now); err != nil {
				problems = append(problems, r.of.problem("clients", i, c.client.ID, jwksKey(n), err))
			}
		}
	}
	return problems
}

// judge is check for one of a client's keys.
func (c certificateRecord) judge(n int, now time.Time) error {
	if err := c.check(now); err != nil {
		return inKey(n, err)
	}
	return nil
}

// check looks at period and strength. A certificate for tomorrow may be registered
// today.
func (c certificateRecord) check(now time.Time) error {
	peer := &peercert.Peer{Leaf: c.leaf, Thumbprint: c.record.Thumbprint}
	if err := peer.Check(now); err != nil && !errors.Is(err, peercert.ErrNotYetValid) {
		return err
	}
	return nil
}
