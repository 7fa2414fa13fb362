package registration

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/certbound/certbound/storage"
)

// Partner is the body of a partner.
type Partner struct {
	ID       string `yaml:"id" json:"id,omitempty" doc:"1 to 128 characters of A-Z a-z 0-9 . _ -, never changes; generated when absent."`
	Name     string `yaml:"name" json:"name,omitempty"`
	Disabled bool   `yaml:"disabled" json:"disabled,omitempty"`
}

const maxIDLength = 128

const (
	nonJoiner = '\u200c'
	joiner    = '\u200d'
)

// MaxNameLength bounds names and other short texts, in bytes.
const MaxNameLength = 200

// Record is the partner to be stored, and what is wrong with the body.
func (p Partner) Record(now time.Time) (storage.Partner, Faults) {
	var all Faults
	all.Add("id", checkID("id", p.ID))
	all.Add("name", CheckName("name", p.Name))
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
	if dots(id) {
		return errDots(field)
	}
	return nil
}

// dots reports an id that is taken for a step in a path: many programs resolve it
// before they send it, and would reach another record, or none.
func dots(id string) bool { return id == "." || id == ".." }

func errDots(field string) error {
	return fmt.Errorf("%s must be something else than . and .., which programs resolve in paths", field)
}

// CheckName accepts UTF-8 of at most MaxNameLength bytes without what a terminal or a
// log would not show: control characters (those of C1 too), line and paragraph
// separators, and format characters, such as those that turn the reading direction.
// The two joiners that scripts and emoji are written with are text.
func CheckName(field, name string) error {
	if len(name) > MaxNameLength {
		return fmt.Errorf("%s is longer than %d bytes", field, MaxNameLength)
	}
	for _, r := range name {
		if r == utf8.RuneError || r != joiner && r != nonJoiner && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
			return fmt.Errorf("%s has control or formatting characters or is not UTF-8", field)
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
		if err := EndTokens(ctx, tx, want.ID, want.UpdatedAt); err != nil {
			return err
		}
	}
	have.Name, have.Disabled, have.UpdatedAt = want.Name, want.Disabled, want.UpdatedAt
	return tx.UpdatePartner(ctx, have)
}
