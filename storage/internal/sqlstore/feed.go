package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/certbound/certbound/storage"
)

// FeedSeq implements storage.FeedReader.
func (r reader) FeedSeq(ctx context.Context) (seq int64, err error) {
	err = r.one(ctx, `SELECT seq FROM feed_counter WHERE id = 1`, nil, &seq)
	return seq, err
}

// FeedEntries implements storage.FeedReader. One statement, so that Seq never says
// more than the entries do: the counter's row comes with each entry, and alone
// when there is none.
func (r reader) FeedEntries(ctx context.Context, after int64, now time.Time, limit int) (storage.Feed, error) {
	if limit < 1 {
		return storage.Feed{}, fmt.Errorf("storage: feed: limit %d is not positive", limit)
	}
	feed := storage.Feed{Entries: []storage.FeedEntry{}}
	err := r.each(ctx, `
		SELECT c.seq, c.since = 0, e.seq, e.kind, e.action, e.subject, e.min_generation, e.created_at, e.expires_at, e.client_id, e.generation
		FROM (SELECT seq, CASE WHEN $1 <= 0 OR $1 > seq THEN 0 ELSE $1 END AS since
			FROM feed_counter WHERE id = 1) c
		LEFT JOIN feed_entries e ON e.seq > c.since AND e.expires_at > $2
		ORDER BY e.seq LIMIT $3`, []any{after, now.Unix(), limit},
		func(scan func(...any) error) error {
			var e storage.FeedEntry
			err := scan(&feed.Seq, &feed.Full, orZero(&e.Seq), intoText(&e.Kind), intoText(&e.Action), intoText(&e.Subject),
				orZero(&e.MinGeneration), timeInto{&e.CreatedAt}, timeInto{&e.ExpiresAt}, intoText(&e.ClientID), orZero(&e.Generation))
			if e.Seq != 0 {
				feed.Entries = append(feed.Entries, e)
			}
			return err
		})
	if err != nil {
		return storage.Feed{}, err
	}
	return feed, nil
}

var errClientByGeneration = errors.New("storage: a client is judged by its generation, not by a denial")

// Denied implements storage.FeedReader.
func (r reader) Denied(ctx context.Context, kind storage.FeedKind, subject string, now time.Time) (denied bool, err error) {
	if kind == storage.FeedClient {
		return false, errClientByGeneration
	}
	err = r.one(ctx, `
		SELECT action = 'deny' AND expires_at > $3 FROM feed_entries
		WHERE kind = $1 AND subject = $2 ORDER BY seq DESC LIMIT 1`, []any{kind, subject, now.Unix()}, &denied)
	if errors.Is(err, storage.ErrNotFound) {
		return false, nil
	}
	return denied, err
}

const countTokenDenials = `
	SELECT count(*) FROM (SELECT 1 FROM feed_entries WHERE client_id = $1 AND expires_at > $2 LIMIT $3) AS denied`

// TokenDenials implements storage.FeedReader.
func (r reader) TokenDenials(ctx context.Context, clientID string, now time.Time, limit int) (count int, err error) {
	err = r.one(ctx, countTokenDenials, []any{clientID, now.Unix(), limit}, &count)
	return count, err
}

const dropTokenDenials = `DELETE FROM feed_entries WHERE client_id = $1 AND generation < $2`

// DropTokenDenials implements storage.FeedWriter.
func (t *tx) DropTokenDenials(ctx context.Context, clientID string, below int64) error {
	_, err := t.execCount(ctx, "feed_entries", dropTokenDenials, clientID, below)
	return err
}

const pruneExpired = `DELETE FROM feed_entries WHERE expires_at <= $1 RETURNING 1`

// insertEntry lets an entry take over what must not shrink from the one before it
// of the same subject, which has it from all earlier ones.
var insertEntry = `
	INSERT INTO feed_entries (seq, kind, action, subject, min_generation, created_at, expires_at, client_id, generation)
	VALUES ($1, $2, $3, $4, ` + notBelowEarlier("min_generation", "$5") + `, $6, ` + notBelowEarlier("expires_at", "$7") + `, $8, $9)`

// AppendFeed implements storage.FeedWriter.
func (t *tx) AppendFeed(ctx context.Context, entries []storage.FeedEntry) (int64, error) {
	if t.failed != nil {
		return 0, t.failed
	}
	if len(entries) == 0 {
		return t.FeedSeq(ctx)
	}
	if err := checkEntries(entries); err != nil {
		return 0, t.fail(err)
	}
	var seq int64
	_, err := t.writeBeside(ctx, "feed_counter", `UPDATE feed_counter SET seq = seq + $1 WHERE id = 1 RETURNING seq`,
		[]any{len(entries)}, &seq)
	if err != nil {
		return 0, err
	}
	first := seq - int64(len(entries)) + 1
	err = t.execEach(ctx, "feed_entries", insertEntry,
		len(entries), func(i int) ([]any, error) {
			e := &entries[i]
			var generation, whose, its any // NULL but for clients, and for tokens
			switch {
			case e.Kind == storage.FeedClient:
				generation = e.MinGeneration
			case e.ClientID != "":
				whose, its = e.ClientID, e.Generation
			}
			return []any{first + int64(i), e.Kind, e.Action, e.Subject, generation, seconds(e.CreatedAt), seconds(e.ExpiresAt), whose, its}, nil
		})
	if err != nil {
		return 0, err
	}
	return seq, nil
}

// checkEntries refuses what would be filled in from an earlier entry, so that it
// fails the first time too.
func checkEntries(entries []storage.FeedEntry) error {
	for i := range entries {
		e := &entries[i]
		if e.ExpiresAt.IsZero() {
			return fmt.Errorf("storage: the feed entry for %s %q has no end", e.Kind, e.Subject)
		}
		if (e.Kind == storage.FeedClient) != (e.MinGeneration > 0) {
			return fmt.Errorf("storage: the feed entry for %s %q has generation %d", e.Kind, e.Subject, e.MinGeneration)
		}
		if (e.ClientID != "") != (e.Generation > 0) || e.ClientID != "" && e.Kind != storage.FeedToken {
			return fmt.Errorf("storage: the feed entry for %s %q is of client %q, generation %d", e.Kind, e.Subject, e.ClientID, e.Generation)
		}
	}
	return nil
}

// notBelowEarlier is an expression: value, or what the newest entry of the same
// subject ($2, $4) has in column, whichever is greater.
func notBelowEarlier(column, value string) string {
	return `(SELECT max(v) FROM (SELECT ` + value + ` AS v UNION ALL SELECT * FROM (
		SELECT ` + column + ` FROM feed_entries WHERE kind = $2 AND subject = $4 ORDER BY seq DESC LIMIT 1) AS earlier) AS both)`
}

// PruneFeed implements storage.FeedWriter.
func (t *tx) PruneFeed(ctx context.Context, now time.Time) (int64, error) {
	return t.forget(ctx, pruneExpired, now.Unix())
}
