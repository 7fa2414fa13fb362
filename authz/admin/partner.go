package admin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/certbound/certbound/storage"
)

// Partner is the body of a partner.
type Partner struct {
	ID       string `yaml:"id" json:"id,omitempty" doc:"1 to 128 characters of A-Z a-z 0-9 . _ -, never changes; generated when absent."`
	Name     string `yaml:"name" json:"name,omitempty"`
	Disabled bool   `yaml:"disabled" json:"disabled,omitempty"`
}

const (
	maxIDLength   = 128
	maxNameLength = 200
)

func (p Partner) record(now time.Time) (storage.Partner, faults) {
	var all faults
	all.add("id", checkID("id", p.ID))
	all.add("name", checkName("name", p.Name))
	return storage.Partner{ID: p.ID, Name: p.Name, Disabled: p.Disabled, CreatedAt: now, UpdatedAt: now}, all
}

// checkID accepts the ids we use as names in policy, logs and tokens.
func checkID(field, id string) error {
	ok := id != "" && len(id) <= maxIDLength
	for i := range len(id) {
		c := id[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		ok = ok && (letter || c == '.' || c == '_' || c == '-')
	}
	if !ok {
		return fmt.Errorf("%s must be 1 to %d characters of A-Z a-z 0-9 . _ -", field, maxIDLength)
	}
	return nil
}

func checkName(field, name string) error {
	if len(name) > maxNameLength {
		return fmt.Errorf("%s is longer than %d bytes", field, maxNameLength)
	}
	for _, r := range name {
		if r < ' ' || r == 0x7f || r == 0xfffd {
			return fmt.Errorf("%s has control characters or is not UTF-8", field)
		}
	}
	return nil
}

func ensurePartner(ctx context.Context, tx storage.Tx, want storage.Partner) error {
	have, err := tx.Partner(ctx, want.ID)
	if errors.Is(err, storage.ErrNotFound) {
		return tx.CreatePartner(ctx, want)
	}
	if err != nil {
		return err
	}
	if have.Name == want.Name && have.Disabled == want.Disabled {
		return nil
	}
	if want.Disabled && !have.Disabled {
		// Tokens its clients hold are dead (design rule 11), and stay so when the
		// partner is enabled again.
		if err := endTokens(ctx, tx, want.ID, want.UpdatedAt); err != nil {
			return err
		}
	}
	have.Name, have.Disabled, have.UpdatedAt = want.Name, want.Disabled, want.UpdatedAt
	return tx.UpdatePartner(ctx, have)
}

// endTokens ends the tokens of every client of a partner, and tells resource
// servers, a page of clients at a time.
func endTokens(ctx context.Context, tx storage.Tx, partnerID string, now time.Time) error {
	if err := tx.RaiseGenerations(ctx, partnerID, now); err != nil {
		return err
	}
	const page = 1000
	for q := (storage.ClientQuery{PartnerID: partnerID, Limit: page}); ; {
		clients, err := tx.Clients(ctx, q)
		if err != nil {
			return err
		}
		entries := make([]storage.FeedEntry, len(clients))
		for i := range clients {
			q.After, entries[i] = clients[i].ID, deniedGeneration(clients[i].ID, clients[i].Generation, now)
		}
		if _, err := tx.AppendFeed(ctx, entries); err != nil {
			return err
		}
		if len(clients) < page {
			return nil
		}
	}
}
