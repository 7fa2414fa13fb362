package orphans

import (
	"context"
	"errors"
	"time"

	"github.com/certbound/certbound/keys/trust"
	"github.com/certbound/certbound/storage"
)

// Late judges certificates whose note is written after the registration has changed:
// when it was a trust bundle that changed, nobody could have found them then. It
// returns whose tokens it has ended.
func Late(ctx context.Context, tx storage.Tx, seen []storage.Certificate, now time.Time) (Ended, error) {
	bundles, refused := map[string]*trust.Bundle{}, map[string]bool{}
	for i := range seen {
		client, err := tx.Client(ctx, seen[i].ClientID)
		if errors.Is(err, storage.ErrNotFound) {
			continue
		}
		if err != nil {
			return Ended{}, err
		}
		if client.Method != storage.TLSClientAuth {
			continue // what a self-signed client loses is told when it loses it
		}
		bundle, known := bundles[client.TrustBundle]
		if !known {
			if bundle, err = inForce(ctx, tx, client.TrustBundle); err != nil {
				return Ended{}, err
			}
			bundles[client.TrustBundle] = bundle
		}
		if bundle == nil || !accepts(bundle, &seen[i], now) {
			refused[client.ID] = true
		}
	}
	if len(refused) == 0 {
		return Ended{}, nil
	}
	clients, err := raise(ctx, tx, refused, now)
	return Ended{Clients: clients}, err
}

// inForce is the active version of a bundle. What cannot be used accepts nobody.
func inForce(ctx context.Context, from storage.TrustBundleReader, name string) (*trust.Bundle, error) {
	record, err := active(ctx, from, name)
	if err != nil || record == nil {
		return nil, err
	}
	bundle, err := load(record)
	if err != nil {
		return nil, nil
	}
	return bundle, nil
}
