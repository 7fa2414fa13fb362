package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/certbound/certbound/storage"
)

const (
	eventColumns = `stream_id, seq, prev, hash, time, kind, reason, partner_id, client_id, actor,
		thumbprint, token_id, request_id, detail`
	newestFirst = ` ORDER BY time DESC, stream_id DESC, seq DESC LIMIT ?`

	maxAuditPage = 1000
)

func scanEvent(scan func(...any) error) (e storage.AuditEvent, err error) {
	err = scan(&e.StreamID, &e.Seq, hashInto{&e.Prev}, hashInto{&e.Hash}, timeInto{&e.Time}, &e.Kind, intoText(&e.Reason),
		intoText(&e.PartnerID), intoText(&e.ClientID), intoText(&e.Actor),
		optional{thumbprintInto{&e.Thumbprint}}, intoText(&e.TokenID), optional{requestInto{&e.RequestID}}, &e.Detail)
	return e, err
}

// AuditChain implements storage.AuditReader.
func (r reader) AuditChain(ctx context.Context, streamID, afterSeq int64, limit int) ([]storage.AuditEvent, error) {
	if limit < 1 {
		return nil, fmt.Errorf("storage: audit chain: limit %d is not positive", limit)
	}
	return list(ctx, r, `SELECT `+eventColumns+` FROM audit_events WHERE stream_id = $1 AND seq > $2 ORDER BY seq LIMIT $3`,
		[]any{streamID, afterSeq, limit}, scanEvent)
}

// AuditEvents implements storage.AuditReader. A query by partner is several
// statements, so they run in a transaction: a page that had the newest events of
// one client and not those of another would never show the latter. Nothing is kept
// prepared, for there are many texts and few who ask.
func (s *Store) AuditEvents(ctx context.Context, q storage.AuditQuery) (events []storage.AuditEvent, err error) {
	sqlTx, err := s.config.Reads.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return nil, failure(ctx, err)
	}
	defer func() {
		if ended := sqlTx.Rollback(); ended != nil && !errors.Is(ended, sql.ErrTxDone) && err == nil {
			events, err = nil, failure(ctx, ended)
		}
	}()
	return reader{direct{tx: sqlTx}}.AuditEvents(ctx, q)
}

// AuditEvents implements storage.AuditReader inside of a transaction.
func (r reader) AuditEvents(ctx context.Context, q storage.AuditQuery) ([]storage.AuditEvent, error) {
	if q.Limit < 1 || q.Limit > maxAuditPage {
		return nil, fmt.Errorf("storage: audit query: limit %d is not between 1 and %d", q.Limit, maxAuditPage)
	}
	if q.RequestID == "" && q.ClientID == "" && q.PartnerID != "" {
		return r.eventsOfPartner(ctx, q)
	}
	text, args, err := eventsQuery(q)
	if err != nil || text == "" {
		return []storage.AuditEvent{}, err
	}
	return list(ctx, r, text, args, scanEvent)
}

// eventsQuery builds the one statement of every query but those by partner; an
// empty text means that nothing can match.
func eventsQuery(q storage.AuditQuery) (string, []any, error) {
	from := "audit_events"
	var s selection
	if q.RequestID != "" {
		request, err := requestBytes(q.RequestID)
		if err != nil {
			return "", nil, nil // no event has it
		}
		// Materialized, or the planner may prefer the order of the client's index and
		// walk through all that the client ever did. A request has a few events.
		s.add("WITH of_request AS MATERIALIZED (SELECT * FROM audit_events WHERE request_id = ?) ", request)
		from = "of_request"
	}
	s.add("SELECT " + eventColumns + " FROM " + from + " WHERE 1 = 1")
	if q.ClientID != "" {
		s.add(" AND client_id = ?", q.ClientID)
	}
	if q.PartnerID != "" {
		s.add(` AND (client_id IN (SELECT id FROM clients WHERE partner_id = ?) OR (client_id IS NULL AND partner_id = ?))`,
			q.PartnerID, q.PartnerID)
	}
	s.addCommon(q)
	s.add(newestFirst, q.Limit)
	return s.text.String(), s.args, nil
}

// eventsOfPartner merges what concerns the partner itself with the events of each
// of its clients, newest first. An index on the partner of every event would make
// it one statement, and each token request dearer.
func (r reader) eventsOfPartner(ctx context.Context, q storage.AuditQuery) ([]storage.AuditEvent, error) {
	page, err := r.newestOf(ctx, q, []storage.AuditEvent{}, "client_id IS NULL AND partner_id = ?", q.PartnerID)
	if err != nil {
		return nil, err
	}
	clients, err := list(ctx, r, `SELECT id FROM clients WHERE partner_id = $1 ORDER BY id`, []any{q.PartnerID},
		func(scan func(...any) error) (id string, err error) { return id, scan(&id) })
	if err != nil {
		return nil, err
	}
	for _, client := range clients {
		if page, err = r.newestOf(ctx, q, page, "client_id = ?", client); err != nil {
			return nil, err
		}
	}
	return page, nil
}

// newestOf merges the events that meet condition into page. When the page is full,
// only those that come before its last event are read.
func (r reader) newestOf(ctx context.Context, q storage.AuditQuery, page []storage.AuditEvent, condition, value string) ([]storage.AuditEvent, error) {
	var s selection
	s.add("SELECT "+eventColumns+" FROM audit_events WHERE "+condition, value)
	if len(page) == q.Limit {
		last := &page[len(page)-1]
		q.Since = time.Time{} // this bound is higher
		s.add(" AND (time, stream_id, seq) > (?, ?, ?)", last.Time.Unix(), last.StreamID, last.Seq)
	}
	s.addCommon(q)
	s.add(newestFirst, q.Limit)
	more, err := list(ctx, r, s.text.String(), s.args, scanEvent)
	if err != nil || len(more) == 0 {
		return page, err
	}
	page = append(page, more...)
	slices.SortFunc(page, func(a, b storage.AuditEvent) int {
		return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(b.StreamID, a.StreamID), cmp.Compare(b.Seq, a.Seq))
	})
	return page[:min(len(page), q.Limit)], nil
}

// selection is a statement in the making, with ? where a value goes.
type selection struct {
	text strings.Builder
	args []any
}

func (s *selection) add(text string, args ...any) {
	for _, arg := range args {
		before, after, _ := strings.Cut(text, "?")
		s.args = append(s.args, arg)
		s.text.WriteString(before + "$" + strconv.Itoa(len(s.args)))
		text = after
	}
	s.text.WriteString(text)
}

// addCommon adds the conditions on the single event, and the window.
func (s *selection) addCommon(q storage.AuditQuery) {
	for _, c := range []struct{ column, value string }{
		{"kind", q.Kind}, {"reason", q.Reason}, {"token_id", q.TokenID},
	} {
		if c.value != "" {
			s.add(" AND "+c.column+" = ?", c.value)
		}
	}
	if !q.Thumbprint.IsZero() {
		s.add(" AND thumbprint = ?", q.Thumbprint[:])
	}
	if !q.Since.IsZero() {
		s.add(" AND time >= ?", ceiling(q.Since))
	}
	// One upper bound, the lower of both. Given two, SQLite bounds the index by the
	// one it likes, and with the wrong one each page walks through all before it.
	switch before := q.Before; {
	case !before.Time.IsZero() && (q.Until.IsZero() || before.Time.Unix() < ceiling(q.Until)):
		s.add(" AND (time, stream_id, seq) < (?, ?, ?)", before.Time.Unix(), before.StreamID, before.Seq)
	case !q.Until.IsZero():
		s.add(" AND time < ?", ceiling(q.Until))
	}
}

// ceiling rounds up: what is stored as a whole second lies after its fraction.
func ceiling(t time.Time) int64 {
	if t.Nanosecond() > 0 {
		return t.Unix() + 1
	}
	return t.Unix()
}
