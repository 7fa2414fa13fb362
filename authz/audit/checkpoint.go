package audit

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"

	"github.com/certbound/certbound/storage"
)

// CheckpointType is the typ header of a signed checkpoint.
const CheckpointType = "certbound-audit-checkpoint+jwt"

// CheckpointPurpose is the purpose of the keys that sign checkpoints and nothing
// else.
const CheckpointPurpose = "audit_checkpoint"

// Checkpoint is a statement of where every chain was at a time. Kept where nobody
// who can write to the database can reach it, it shows a tail that was cut.
type Checkpoint struct {
	IssuedAt int64  `json:"iat"` // seconds since 1970
	Heads    []Head `json:"heads"`
}

// Head is the newest event of a stream.
type Head struct {
	Instance string `json:"instance"`
	Seq      int64  `json:"seq"`
	Hash     string `json:"hash"` // unpadded base64url
}

// algorithms a checkpoint may be signed with: those of our key rings.
var algorithms = []jose.SignatureAlgorithm{jose.ES256, jose.RS256}

// Signer signs checkpoints.
type Signer interface {
	Sign(payload []byte, typ string) (string, error)
}

// NewCheckpoint reads the heads of all chains and signs them.
func NewCheckpoint(ctx context.Context, chains Chains, signer Signer, now time.Time) (string, error) {
	compact, _, err := newCheckpoint(ctx, chains, signer, now)
	return compact, err
}

// AddCheckpoint signs the heads as the transaction sees them and stores the
// statement. It goes before the event that records it, which it does not cover.
func AddCheckpoint(ctx context.Context, tx storage.Tx, signer Signer, now time.Time) (storage.AuditCheckpoint, *Checkpoint, error) {
	compact, c, err := newCheckpoint(ctx, tx, signer, now)
	if err != nil {
		return storage.AuditCheckpoint{}, nil, err
	}
	kid, err := signedBy(compact)
	if err != nil {
		return storage.AuditCheckpoint{}, nil, err
	}
	stored := storage.AuditCheckpoint{KID: kid, JWS: compact, CreatedAt: now.UTC().Truncate(time.Second)}
	stored.ID, err = tx.AddAuditCheckpoint(ctx, stored)
	return stored, c, err
}

// signedBy reads the key's id off a statement: the signer may have changed since.
func signedBy(compact string) (kid string, err error) {
	jws, err := jose.ParseSignedCompact(compact, algorithms)
	if err != nil {
		return "", fmt.Errorf("audit: a statement: %w", err)
	}
	return jws.Signatures[0].Protected.KeyID, nil
}

func newCheckpoint(ctx context.Context, chains Chains, signer Signer, now time.Time) (string, *Checkpoint, error) {
	streams, err := chains.AuditStreams(ctx)
	if err != nil {
		return "", nil, fmt.Errorf("audit: checkpoint: %w", err)
	}
	c := &Checkpoint{IssuedAt: now.Unix(), Heads: []Head{}}
	for _, stream := range streams {
		c.Heads = append(c.Heads, Head{stream.Instance, stream.HeadSeq, hashText(stream.HeadHash)})
	}
	payload, err := json.Marshal(c)
	if err != nil {
		return "", nil, fmt.Errorf("audit: checkpoint: %w", err)
	}
	compact, err := signer.Sign(payload, CheckpointType)
	if err != nil {
		return "", nil, fmt.Errorf("%w: %w", ErrSigning, err)
	}
	return compact, c, nil
}

// ErrSigning: there is no key to sign a checkpoint with.
var ErrSigning = errors.New("audit: a checkpoint cannot be signed")

func hashText(h storage.AuditHash) string { return base64.RawURLEncoding.EncodeToString(h[:]) }

var errCheckpoint = errors.New("audit: not a checkpoint signed by this server")

// ParseCheckpoint reads a signed checkpoint. keySet is the JWK set of the keys of
// CheckpointPurpose.
func ParseCheckpoint(compact string, keySet []byte) (*Checkpoint, error) {
	var c Checkpoint
	if err := parseSigned(compact, CheckpointType, keySet, &c); err != nil {
		return nil, err
	}
	return &c, nil
}

// parseSigned reads a statement of a type that one of the keys signed.
func parseSigned(compact, wanted string, keySet []byte, into any) error {
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(keySet, &set); err != nil {
		return fmt.Errorf("audit: the checkpoint keys cannot be read: %w", err)
	}
	jws, err := jose.ParseSignedCompact(compact, algorithms)
	if err != nil {
		return fmt.Errorf("%w: %w", errCheckpoint, err)
	}
	header := jws.Signatures[0].Protected
	if typ, _ := header.ExtraHeaders[jose.HeaderType].(string); typ != wanted {
		return fmt.Errorf("%w: its typ is %q", errCheckpoint, typ)
	}
	for _, key := range set.Key(header.KeyID) {
		payload, err := jws.Verify(key)
		if err != nil {
			continue
		}
		if err := json.Unmarshal(payload, into); err != nil {
			return fmt.Errorf("%w: %w", errCheckpoint, err)
		}
		return nil
	}
	return fmt.Errorf("%w: no key of it verifies the signature", errCheckpoint)
}

// head returns what the checkpoint says of a stream.
func (c *Checkpoint) head(instance string) (Head, bool) {
	if c == nil {
		return Head{}, false
	}
	for _, h := range c.Heads {
		if h.Instance == instance {
			return h, true
		}
	}
	return Head{}, false
}
