package registration

import (
	"errors"
	"fmt"
	"time"

	"github.com/certbound/certbound/keys/trust"
	"github.com/certbound/certbound/storage"
)

// Registered is what a registration makes of one client.
type Registered struct {
	Client       storage.Client
	Certificates []storage.Certificate // of a self-signed client
	// Bundle is the trust bundle the client is pinned to; nil when the
	// registration does not hold it.
	Bundle *trust.Spec
}

// Lookup checks the registration and returns one of its clients, for whoever
// judges a certificate where no server is. Without an id there must be only one.
func (r *Set) Lookup(id string) (*Registered, error) {
	all, problems := r.check(time.Time{})
	if err := problems.orNil(); err != nil {
		return nil, err
	}
	if id == "" && len(all.clients) != 1 {
		return nil, fmt.Errorf("registration: the registration has %d clients: say which", len(all.clients))
	}
	for _, c := range all.clients {
		if id != "" && c.Client.ID != id {
			continue
		}
		found := &Registered{Client: c.Client}
		for _, certificate := range c.Certificates {
			found.Certificates = append(found.Certificates, certificate.Record)
		}
		for i := range all.bundles {
			if all.bundles[i].Record.Name == c.Client.TrustBundle {
				found.Bundle = &all.bundles[i].Spec
			}
		}
		return found, nil
	}
	return nil, errors.New("registration: the registration has no client " + id)
}
