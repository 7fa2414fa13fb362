package registration

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/certbound/certbound/storage"
)

// conflict is a broken rule in an administrator's words.
type conflict struct {
	text string
	err  error
}

func (c *conflict) Error() string { return c.text }
func (c *conflict) Unwrap() error { return c.err }

// rules says what the store's uniqueness rules, named by their columns, are about.
var rules = map[string]string{
	"clients.trust_bundle, clients.matcher_kind, clients.matcher_canonical": "another client of the same trust bundle has this subject value; one subject is one client",
	"certificates.thumbprint": "another client has this certificate; one certificate belongs to one client",
	"apis.audience":           "another API has this audience",
	"api_scopes.scope":        "another API owns one of these scopes; a scope belongs to one API",
}

// InWords turns a conflict of the store into what the administrator has to change.
func InWords(err error) error {
	var broken *storage.ConflictError
	if !errors.As(err, &broken) {
		return err
	}
	if text, ok := rules[broken.Rule]; ok {
		return &conflict{text, err}
	}
	return err
}

// CheckReferences names what a client refers to and is not there. The store would
// refuse it too, without saying which reference it was.
func CheckReferences(ctx context.Context, tx storage.Tx, c storage.Client) error {
	absent, err := MissingReferences(ctx, tx, c)
	if err != nil || len(absent) == 0 {
		return err
	}
	return &conflict{absent[0].Member + ": " + absent[0].Err.Error(), storage.ErrConflict}
}

// MissingReferences names everything a client refers to and is not there.
func MissingReferences(ctx context.Context, tx storage.Tx, c storage.Client) (absent Faults, err error) {
	if _, err := tx.Partner(ctx, c.PartnerID); errors.Is(err, storage.ErrNotFound) {
		absent.Add("partner_id", fmt.Errorf("there is no partner %q", c.PartnerID))
	} else if err != nil {
		return nil, err
	}
	if c.TrustBundle != "" {
		states, err := tx.TrustBundleStates(ctx)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(states, func(b storage.TrustBundle) bool { return b.Name == c.TrustBundle }) {
			absent.Add("trust_bundle", fmt.Errorf("there is no trust bundle %q", c.TrustBundle))
		}
	}
	owners, err := tx.APIsOwningScopes(ctx, c.Scopes)
	if err != nil {
		return nil, err
	}
	for i, scope := range c.Scopes {
		if !slices.ContainsFunc(owners, func(a storage.API) bool { return slices.Contains(a.Scopes, scope) }) {
			absent.Add("scope", fmt.Errorf("no API owns %q, number %d in alphabetical order", scope, i+1))
		}
	}
	return absent, nil
}
