package registration

import (
	"context"
	"errors"
	"slices"
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
		if len(c.Certificates) == 0 {
			continue
		}
		registered, err := store.ClientCertificates(ctx, c.Client.ID)
		if err != nil {
			return a, err
		}
		for _, certificate := range slices.DeleteFunc(registered, func(c storage.Certificate) bool { return !isRegistered(c) }) {
			a.certificates[clientCertificate{c.Client.ID, certificate.Thumbprint}] = true
		}
	}
	return a, nil
}

// judge runs the checks of the day on what has not been accepted yet.
func (r *records) judge(known accepted, now time.Time) (problems Problems) {
	for i, b := range r.bundles {
		if !b.Sound || known.bundles[b.Record.Name] == b.Record.ContentHash {
			continue
		}
		_, err := trust.New(b.Spec, now)
		for _, err := range split(err) {
			problems = append(problems, r.of.problem("trust_bundles", i, b.Record.Name, "", err))
		}
	}
	for i, c := range r.clients {
		for n, certificate := range c.Certificates {
			if known.certificates[clientCertificate{c.Client.ID, certificate.Record.Thumbprint}] {
				continue
			}
			if err := certificate.judge(n, now); err != nil {
				problems = append(problems, r.of.problem("clients", i, c.Client.ID, JWKSKey(n), err))
			}
		}
	}
	return problems
}

// judge is Check for one of a client's keys.
func (c CertificateRecord) judge(n int, now time.Time) error {
	if err := c.Check(now); err != nil {
		return inKey(n, err)
	}
	return nil
}

// JudgeNew runs the checks of the day on the certificates that are not registered
// yet.
func (c ClientRecord) JudgeNew(registered []storage.Certificate, now time.Time) (all Faults) {
	for n, certificate := range c.Certificates {
		if !contains(registered, certificate.Record) {
			all.Add(JWKSKey(n), certificate.judge(n, now))
		}
	}
	return all
}

// Check looks at period and strength. A certificate for tomorrow may be registered
// today.
func (c CertificateRecord) Check(now time.Time) error {
	peer := &peercert.Peer{Leaf: c.Leaf, Thumbprint: c.Record.Thumbprint}
	if err := peer.Check(now); err != nil && !errors.Is(err, peercert.ErrNotYetValid) {
		return err
	}
	return nil
}
