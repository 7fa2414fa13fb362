package admin

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/certbound/certbound/authz/admin/refusal"
	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/keys"
	"github.com/certbound/certbound/storage"
)

// Keys changes signing keys. What is given as within runs in the transaction of
// the change, may run again, and undoes it with an error.
type Keys interface {
	// Rotate makes the next key sign now, or when everybody knows it.
	Rotate(ctx context.Context, purpose, algorithm string, within func(context.Context, storage.Tx, []keys.Change) error) error
	// Revoke ends a key at once, and tells resource servers.
	Revoke(ctx context.Context, kid string, within func(context.Context, storage.Tx, []keys.Change) error) error
	// Algorithm is what signs for a purpose by default; false when nothing does.
	Algorithm(purpose string) (string, bool)
	// ReadyAt is from when on a next key may sign.
	ReadyAt(k storage.SigningKey) time.Time
	// Events are what the audit trail is told of changes.
	Events(changes []keys.Change) []audit.Event
}

// KeyView is a signing key as the API shows it: its public half and its life.
type KeyView struct {
	KID         string          `json:"kid"`
	Purpose     string          `json:"purpose"`
	Algorithm   string          `json:"alg"`
	Status      string          `json:"status"` // next, active, retired, revoked
	CreatedAt   time.Time       `json:"created_at"`
	ReadyAt     *time.Time      `json:"ready_at,omitempty"` // of a next key: when it may sign
	DueAt       *time.Time      `json:"due_at,omitempty"`   // of a next key: when it will, because somebody asked
	ActivatedAt *time.Time      `json:"activated_at,omitempty"`
	RetiredAt   *time.Time      `json:"retired_at,omitempty"`
	ExpiresAt   *time.Time      `json:"expires_at,omitempty"` // of a retired key: when nothing it signed is good any more
	RevokedAt   *time.Time      `json:"revoked_at,omitempty"`
	PublicJWK   json.RawMessage `json:"public_jwk"`
}

func (h *Handler) viewKey(k storage.SigningKey) *KeyView {
	v := &KeyView{
		KID: k.KID, Purpose: k.Purpose, Algorithm: k.Algorithm, Status: k.Status, CreatedAt: k.CreatedAt,
		DueAt: orNil(k.DueAt), ActivatedAt: orNil(k.ActivatedAt), RetiredAt: orNil(k.RetiredAt),
		ExpiresAt: orNil(k.ExpiresAt), RevokedAt: orNil(k.RevokedAt), PublicJWK: json.RawMessage(k.PublicJWK),
	}
	if k.Status == keys.StatusNext {
		v.ReadyAt = orNil(h.Keys.ReadyAt(k))
	}
	return v
}

func orNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// listKeys shows all that there are; they are few.
func listKeys(h *Handler, c *call) (*answer, error) {
	if err := noQuery(c); err != nil {
		return nil, err
	}
	stored, err := h.Store.SigningKeys(c.Context())
	if err != nil {
		return nil, err
	}
	return &answer{body: KeyList{views(stored, h.viewKey)}}, nil
}

// KeyList is all signing keys.
type KeyList struct {
	Keys []*KeyView `json:"keys"`
}

// KeyRotationBody says what to rotate; access tokens in the usual algorithm when it
// says nothing.
type KeyRotationBody struct {
	Purpose   string `json:"purpose,omitempty"`
	Algorithm string `json:"alg,omitempty"`
	Reason    string `json:"reason,omitempty"`
}

// KeyRotation is the answer to a rotation: which key signs now, and which is
// going to. After a rotation the next one is made within seconds.
type KeyRotation struct {
	Rotated bool     `json:"rotated"` // false: Next signs from its due_at on
	Active  *KeyView `json:"active,omitempty"`
	Next    *KeyView `json:"next,omitempty"`
}

func rotateKey(h *Handler, c *call) (*answer, error) {
	asked, err := c.texts("purpose", "alg", "reason")
	if err != nil {
		return nil, err
	}
	purpose, algorithm := asked["purpose"], asked["alg"]
	if purpose == "" {
		purpose = keys.AccessTokens
	}
	usual, known := h.Keys.Algorithm(purpose)
	if algorithm == "" {
		algorithm = usual
	}
	var bad refusal.Invalid
	if !known {
		bad.Add("purpose", "must be one of those that GET /admin/v1/keys shows")
	} else if !slices.Contains(keys.Algorithms(), algorithm) {
		bad.Add("alg", "must be one of "+strings.Join(keys.Algorithms(), ", "))
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	return h.change(c, func(within transaction) error {
		err := h.Keys.Rotate(c.Context(), purpose, algorithm, func(ctx context.Context, tx storage.Tx, changes []keys.Change) error {
			return within(ctx, tx, func(ctx context.Context, tx storage.Tx, a *answer) error {
				if err := h.recordKeys(ctx, c, tx, changes, asked["reason"], a); err != nil {
					return err
				}
				return h.rotation(ctx, tx, purpose, algorithm, changes, a)
			})
		})
		if errors.Is(err, keys.ErrUnknown) {
			bad.Add("alg", "has no key for this purpose: give it to an API first")
			return bad.Err()
		}
		return err
	})
}

// rotation answers which key signs now, and which is going to.
func (h *Handler) rotation(ctx context.Context, tx storage.Tx, purpose, algorithm string, changes []keys.Change, a *answer) error {
	rotation := &KeyRotation{Rotated: became(changes, keys.StatusActive) != ""}
	a.body = rotation
	return eachKey(ctx, tx, purpose, algorithm, func(k storage.SigningKey) {
		switch k.Status {
		case keys.StatusActive:
			rotation.Active = h.viewKey(k)
		case keys.StatusNext:
			rotation.Next = h.viewKey(k)
		}
	})
}

// KeyRevocation is the answer to the revocation of a key.
type KeyRevocation struct {
	Key        *KeyView `json:"key"`
	ReplacedBy string   `json:"replaced_by,omitempty"` // the kid that signs instead from now on
}

// revokeKey is for the day a key is stolen. It asks for admin:security, as
// whoever may do it ends every token.
func revokeKey(h *Handler, c *call) (*answer, error) {
	kid := mux.Vars(c.Request)["kid"]
	reason, err := c.reason(true)
	if err != nil {
		return nil, err
	}
	return h.change(c, func(within transaction) error {
		err := h.Keys.Revoke(c.Context(), kid, func(ctx context.Context, tx storage.Tx, changes []keys.Change) error {
			return within(ctx, tx, func(ctx context.Context, tx storage.Tx, a *answer) error {
				if err := h.recordKeys(ctx, c, tx, changes, reason, a); err != nil {
					return err
				}
				revocation := &KeyRevocation{ReplacedBy: became(changes, keys.StatusActive)}
				a.body = revocation
				return eachKey(ctx, tx, "", "", func(k storage.SigningKey) {
					if k.KID == kid {
						revocation.Key = h.viewKey(k)
					}
				})
			})
		})
		if errors.Is(err, keys.ErrUnknown) {
			return refusal.New(refusal.RecordUnknown, err.Error())
		}
		return err
	})
}

// recordKeys lets the audit trail tell of a change of keys.
func (h *Handler) recordKeys(ctx context.Context, c *call, tx storage.Tx, changes []keys.Change, reason string, a *answer) error {
	a.change = len(changes) > 0
	events := h.Keys.Events(changes)
	for i, e := range events {
		detail := map[string]any{"reason": reason}
		if said, ok := e.Detail.(map[string]any); ok {
			maps.Copy(detail, said)
		}
		events[i] = c.event(e.Kind, storage.Client{}, detail)
	}
	return h.Audit.Append(ctx, tx, events...)
}

// became returns the kid of the key that changed to a status.
func became(changes []keys.Change, status string) string {
	for _, change := range changes {
		if change.To == status {
			return change.KID
		}
	}
	return ""
}

// eachKey runs fn on the keys of a purpose and algorithm, or of all.
func eachKey(ctx context.Context, tx storage.Tx, purpose, algorithm string, fn func(storage.SigningKey)) error {
	stored, err := tx.SigningKeys(ctx)
	if err != nil {
		return err
	}
	for _, k := range stored {
		if (purpose == "" || k.Purpose == purpose) && (algorithm == "" || k.Algorithm == algorithm) {
			fn(k)
		}
	}
	return nil
}
