package revokefeed

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/certbound/certbound/resource/jwks"
)

// ErrSignature means that an answer is not a feed that the issuer has signed.
var ErrSignature = errors.New("revokefeed: the answer is not signed as a feed by the issuer")

// ErrRollback means that the authorization server is behind what it has said
// before: it was restored from a backup, or somebody shows an old answer.
var ErrRollback = errors.New("revokefeed: the feed went back")

var algorithms = func() []jose.SignatureAlgorithm {
	all := make([]jose.SignatureAlgorithm, len(jwks.Algorithms))
	for i, name := range jwks.Algorithms {
		all[i] = jose.SignatureAlgorithm(name)
	}
	return all
}()

// verify returns the payload of a compact JWS of type [Type], signed with a key
// that the issuer publishes. Nothing of it is read before.
func (f *Follower) verify(ctx context.Context, compact string) ([]byte, error) {
	jws, err := jose.ParseSignedCompact(compact, algorithms)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	h := &jws.Signatures[0].Protected
	typ, _ := h.ExtraHeaders[jose.HeaderType].(string)
	switch {
	case !strings.EqualFold(typ, Type) && !strings.EqualFold(typ, "application/"+Type):
		return nil, fmt.Errorf("%w: typ is %q instead of %s", ErrSignature, typ, Type)
	case h.JSONWebKey != nil || h.Nonce != "" || h.KeyID == "" || len(h.ExtraHeaders) != 1:
		// Our authorization server writes alg, kid and typ. Anything else asks for
		// something we would have to understand.
		return nil, fmt.Errorf("%w: the header has other parameters than alg, kid and typ", ErrSignature)
	case f.keyDenied(h.KeyID):
		return nil, fmt.Errorf("%w: its key %q has been revoked", ErrSignature, h.KeyID)
	}
	keys, err := f.keys.Keys(ctx, h.KeyID)
	if err != nil {
		return nil, fmt.Errorf("revokefeed: %w", err)
	}
	for i := range keys {
		// One algorithm per key (RFC 8725 §3.1): the key's, not the header's.
		alg, err := jwks.Algorithm(&keys[i])
		if err != nil || keys[i].KeyID != h.KeyID || string(alg) != h.Algorithm {
			continue
		}
		if payload, err := jws.Verify(keys[i].Key); err == nil {
			return payload, nil
		}
	}
	return nil, fmt.Errorf("%w: no key %q of the issuer verifies it", ErrSignature, h.KeyID)
}

func (f *Follower) keyDenied(keyID string) bool {
	s := f.current.Load()
	return s != nil && s.table.deniesKey(keyID, f.clock().Unix())
}

// accept holds a verified feed to the state it is to continue, and takes it
// over. received is when the answer came.
func (f *Follower) accept(feed *Feed, received time.Time) error {
	known := f.current.Load()
	switch {
	case feed.Issuer != f.issuer:
		return fmt.Errorf("revokefeed: the feed is of issuer %q, not of %q", feed.Issuer, f.issuer)
	case !received.Before(feed.Expiry):
		return fmt.Errorf("revokefeed: the feed expired at %s, now is %s",
			feed.Expiry.Format(time.RFC3339), received.UTC().Format(time.RFC3339))
	case known != nil && feed.Head < known.seq:
		// From here on its numbers may stand for other entries than those we have:
		// when it has caught up, a delta would leave out what came in between.
		f.draft, f.resync = nil, true
		f.wentBack.Store(true)
		return fmt.Errorf("%w from %d to %d; it is refused", ErrRollback, known.seq, feed.Head)
	}
	if err := f.begin(feed, known); err != nil {
		return err
	}
	f.draft.apply(feed.Entries)
	f.draft.seq = feed.Seq
	if feed.Head > feed.Seq {
		return nil // the state is not whole yet, so nobody is shown it
	}
	f.publish(received)
	return nil
}

// begin sees to it that the draft is what the feed's entries are to be applied
// to.
func (f *Follower) begin(feed *Feed, known *snapshot) error {
	switch {
	case feed.Full && f.draft != nil:
		// Taken, it could go round like this for ever.
		f.draft, f.resync = nil, true
		return errors.New("revokefeed: a new beginning came instead of the rest")
	case feed.Full && f.wentBack.Load(): // it has forgotten, we have not
		f.draft = newDraft(tableOf(known), tableOf(known), 0)
	case feed.Full:
		f.draft = newDraft(nil, tableOf(known), 0)
	case f.draft == nil && known != nil && !f.resync:
		f.draft = newDraft(known.table, known.table, known.seq)
	}
	if f.draft == nil || !feed.Full && feed.After != f.draft.seq {
		f.draft, f.resync = nil, true
		return fmt.Errorf("revokefeed: a delta from %d does not continue what is known", feed.After)
	}
	f.resync = false
	return nil
}

func tableOf(s *snapshot) *table {
	if s == nil {
		return nil
	}
	return s.table
}

// sweepEvery is how often the state is searched for what has expired. It is
// above what costs anything, and below what adds up.
const sweepEvery = time.Minute

// publish shows readers the finished draft, known to be current as of received.
func (f *Follower) publish(received time.Time) {
	d := f.draft
	f.draft = nil
	if received.Sub(f.pruned) >= sweepEvery {
		d.prune(received)
		f.pruned = received
	}
	f.current.Store(&snapshot{table: d.finish(), seq: d.seq, good: received})
	f.wentBack.Store(false)
}
