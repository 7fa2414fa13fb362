package admin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/certbound/certbound/storage"
)

// Registration is a set of records as an administrator writes them.
type Registration struct {
	Partners     []Partner     `yaml:"partners" json:"partners,omitempty"`
	TrustBundles []TrustBundle `yaml:"trust_bundles" json:"trust_bundles,omitempty"`
	APIs         []API         `yaml:"apis" json:"apis,omitempty"`
	Clients      []Client      `yaml:"clients" json:"clients,omitempty"`
}

// Decode reads a registration written in YAML or JSON. Unknown and repeated
// members are errors, with line and column.
func Decode(data []byte) (*Registration, error) {
	var r Registration
	if err := yaml.UnmarshalWithOptions(data, &r, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("admin: %s", yaml.FormatError(err, false, true))
	}
	return &r, nil
}

// records is a checked registration, ready for the store.
type records struct {
	partners []storage.Partner
	bundles  []storage.TrustBundle
	apis     []storage.API
	clients  []clientRecord
}

type clientRecord struct {
	client       storage.Client
	certificates []storage.Certificate
}

// Apply checks the whole registration and then brings the store to it in one
// transaction: what is missing is created, what differs is changed, what the
// registration does not name stays. Applying it twice changes nothing. All
// mistakes are reported at once, and then nothing is written.
func (r *Registration) Apply(ctx context.Context, store storage.Store, now time.Time) error {
	checked, err := r.check(now.UTC().Truncate(time.Second))
	if err != nil {
		return err
	}
	return store.Update(ctx, func(tx storage.Tx) error { return checked.apply(ctx, tx) })
}

func (r *Registration) check(now time.Time) (*records, error) {
	var out records
	var problems []error
	report := func(kind string, index int, id string, err error) {
		problems = append(problems, fmt.Errorf("admin: %s[%d] %q: %w", kind, index, id, err))
	}
	for i, body := range r.Partners {
		record, err := body.record(now)
		if err != nil {
			report("partners", i, body.ID, err)
		}
		out.partners = append(out.partners, record)
	}
	for i, body := range r.TrustBundles {
		record, err := body.record(now)
		if err != nil {
			report("trust_bundles", i, body.Name, err)
		}
		out.bundles = append(out.bundles, record)
	}
	for i, body := range r.APIs {
		record, err := body.record(now)
		if err != nil {
			report("apis", i, body.ID, err)
		}
		out.apis = append(out.apis, record)
	}
	for i, body := range r.Clients {
		record, err := body.record(now)
		if err != nil {
			report("clients", i, body.ClientID, err)
		}
		out.clients = append(out.clients, record)
	}
	return &out, errors.Join(problems...)
}

// apply writes in the order the references need: an API's scopes exist before a
// client holds them, and its resource servers are clients, so they come last.
func (r *records) apply(ctx context.Context, tx storage.Tx) error {
	for _, partner := range r.partners {
		if err := ensurePartner(ctx, tx, partner); err != nil {
			return fmt.Errorf("admin: partner %q: %w", partner.ID, err)
		}
	}
	if err := ensureBundles(ctx, tx, r.bundles); err != nil {
		return err
	}
	for _, api := range r.apis {
		if err := ensureAPI(ctx, tx, api, false); err != nil {
			return fmt.Errorf("admin: api %q: %w", api.ID, err)
		}
	}
	for _, client := range r.clients {
		if err := ensureClient(ctx, tx, client); err != nil {
			return fmt.Errorf("admin: client %q: %w", client.client.ID, err)
		}
	}
	for _, api := range r.apis {
		if err := ensureAPI(ctx, tx, api, true); err != nil {
			return fmt.Errorf("admin: api %q: %w", api.ID, err)
		}
	}
	return nil
}
