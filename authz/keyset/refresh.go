package keyset

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/keys/fetch"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
)

// refresh reads one claimed set and writes down how it went. When the process is
// told to stop meanwhile, nothing is written: the set is due again soon.
func (r *Refresher) refresh(ctx context.Context, claimed storage.KeySet) {
	began := r.config.Clock()
	set, err := r.read(ctx, claimed.URI)
	if ctx.Err() != nil {
		return
	}
	result, stored := r.store(ctx, claimed, set, err)
	if stored != nil {
		if ctx.Err() == nil && !errors.Is(stored, errMoved) {
			r.config.Logger.LogAttrs(ctx, slog.LevelWarn, "key_set_not_stored",
				slog.String("client_id", claimed.ClientID), slog.String("detail", stored.Error()))
		}
		return
	}
	r.forgetShown(claimed.ClientID, result.change.added)
	if result.change.any() {
		r.config.Notify()
	}
	r.log(ctx, result, err)
	if r.config.Observe != nil {
		r.config.Observe(Outcome{
			ClientID: claimed.ClientID, Err: err, Took: r.config.Clock().Sub(began),
			Added: len(result.change.added), Removed: len(result.change.removed),
		})
	}
}

func (r *Refresher) read(ctx context.Context, uri string) (*Set, error) {
	body, err := r.config.Fetcher.Get(ctx, fetch.Request{URL: uri, Accept: mediaTypes})
	if err != nil {
		return nil, err
	}
	return Parse(body, r.config.Clock())
}

// errMoved: the registration has changed while the set was read.
var errMoved = errors.New("keyset: the client has another jwks_uri by now")

// result is what one try has done.
type result struct {
	client storage.Client
	before storage.KeySet
	after  storage.KeySet
	change change
}

// store brings the certificates to the set, or notes the failure, in one
// transaction with the audit event and the feed.
func (r *Refresher) store(ctx context.Context, claimed storage.KeySet, set *Set, failed error) (done result, err error) {
	now := r.now()
	err = r.config.Store.Update(ctx, func(tx storage.Tx) error {
		done = result{} // it may run again
		var err error
		if done.before, err = tx.KeySet(ctx, claimed.ClientID); errors.Is(err, storage.ErrNotFound) || err == nil && done.before.URI != claimed.URI {
			return errMoved
		}
		if err != nil {
			return err
		}
		if done.client, err = tx.Client(ctx, claimed.ClientID); err != nil {
			return err
		}
		if failed == nil {
			if done.change, err = replace(ctx, tx, claimed.ClientID, set, r.wasShown, now); err != nil {
				return err
			}
		}
		done.after = r.next(done.before, done.change, failed, now)
		if err := tx.UpdateKeySet(ctx, done.after); err != nil {
			return err
		}
		return r.record(ctx, tx, done, now)
	})
	return done, err
}

// next is the state after a try.
func (r *Refresher) next(k storage.KeySet, c change, failed error, now time.Time) storage.KeySet {
	wait := r.config.Interval
	if failed == nil {
		k.ReadAt, k.Failures, k.Problem = now, 0, shorten(strings.Join(c.ignored, "; "))
	} else {
		wait = min(wait, r.config.Floor<<min(k.Failures, 10))
		k.Failures, k.Problem = k.Failures+1, shorten(failed.Error())
	}
	// A tenth more or less, or all that began together would stay together.
	wait += time.Duration(rand.Int64N(int64(wait)/5+1)) - wait/10
	k.DueAt = now.Add(max(wait, r.config.Floor))
	return k
}

// shorten bounds what is kept of a problem. Parts of it were written by a stranger.
func shorten(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= maxProblem {
		return s
	}
	end := maxProblem
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

// record makes an event of what an auditor wants to know: certificates that came
// and went, and the first failure and the recovery of a set, not each try.
func (r *Refresher) record(ctx context.Context, tx storage.Tx, d result, now time.Time) error {
	event := audit.Event{Time: now, Partner: d.client.PartnerID, Client: d.client.ID, Actor: "jwks_uri"}
	var events []audit.Event
	if d.change.any() {
		event.Kind = audit.KeySetChanged
		event.Detail = map[string]any{"jwks_uri": d.after.URI, "added": texts(d.change.added), "removed": texts(d.change.removed)}
		events = append(events, event)
	}
	switch {
	case d.before.Failures == 0 && d.after.Failures > 0:
		event.Kind, event.Detail = audit.KeySetFailed, map[string]any{"jwks_uri": d.after.URI, "detail": d.after.Problem}
		events = append(events, event)
	case d.before.Failures > 0 && d.after.Failures == 0:
		event.Kind, event.Detail = audit.KeySetRecovered, map[string]any{"jwks_uri": d.after.URI, "failures": d.before.Failures}
		events = append(events, event)
	}
	if len(events) == 0 {
		return nil
	}
	return r.config.Audit.Append(ctx, tx, events...)
}

func texts(all []thumbprint.Thumbprint) []string {
	out := make([]string, len(all))
	for i, t := range all {
		out[i] = t.String()
	}
	return out
}

func (r *Refresher) log(ctx context.Context, d result, failed error) {
	attrs := []slog.Attr{slog.String("client_id", d.client.ID), slog.String("partner", d.client.PartnerID), slog.String("jwks_uri", d.after.URI)}
	if failed != nil {
		lastGood := "never"
		if !d.after.ReadAt.IsZero() {
			lastGood = d.after.ReadAt.Format(time.RFC3339)
		}
		r.config.Logger.LogAttrs(ctx, slog.LevelWarn, "key_set_failed", append(attrs, slog.Int64("failures", d.after.Failures),
			slog.String("last_good", lastGood), slog.Time("next_try", d.after.DueAt), slog.String("detail", d.after.Problem))...)
		return
	}
	level := slog.LevelDebug
	if d.change.any() || d.before.Failures > 0 || d.after.Problem != d.before.Problem {
		level = slog.LevelInfo
	}
	if d.after.Problem != "" {
		attrs = append(attrs, slog.String("detail", d.after.Problem))
	}
	r.config.Logger.LogAttrs(ctx, level, "key_set_read", append(attrs,
		slog.String("added", fmt.Sprint(texts(d.change.added))), slog.String("removed", fmt.Sprint(texts(d.change.removed))))...)
}
