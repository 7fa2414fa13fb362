package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/certbound/certbound/storage"
)

const maxAuditPage = 1000

// auditReads are the statements of a query, many times over in one.
var auditReads = []string{allStreams, batchOf, postingsBefore}

// AuditEvents implements storage.AuditReader. A query is several statements, so
// they run in a transaction: an event that is indexed meanwhile would be missed, or
// be there twice.
func (s *Store) AuditEvents(ctx context.Context, q storage.AuditQuery) (events []storage.AuditEvent, err error) {
	// Before the transaction, which may have the last connection.
	if err := s.statements.prepareAll(ctx, auditReads); err != nil {
		return nil, failure(ctx, err)
	}
	sqlTx, err := s.config.Reads.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return nil, failure(ctx, err)
	}
	defer func() {
		if ended := sqlTx.Rollback(); ended != nil && !errors.Is(ended, sql.ErrTxDone) && err == nil {
			events, err = nil, failure(ctx, ended)
		}
	}()
	return reader{direct{sqlTx, s.statements}}.AuditEvents(ctx, q)
}

// AuditEvents implements storage.AuditReader inside of a transaction. It merges the
// places that the index knows with the events that are not indexed yet, newest
// first; what the index promises is compared with the event itself.
func (r reader) AuditEvents(ctx context.Context, q storage.AuditQuery) ([]storage.AuditEvent, error) {
	if q.Limit < 1 || q.Limit > maxAuditPage {
		return nil, fmt.Errorf("storage: audit query: limit %d is not between 1 and %d", q.Limit, maxAuditPage)
	}
	page := []storage.AuditEvent{}
	if !isRequestID(q.RequestID) {
		return page, nil // no event has it
	}
	s, err := r.newSelection(ctx, q)
	if err != nil {
		return nil, err
	}
	tail, err := r.tail(ctx, s)
	if err != nil {
		return nil, err
	}
	index := r.walks(s)
	loaded := loader{reader: r}
	for len(page) < q.Limit {
		w, err := newest(ctx, index)
		if err != nil {
			return nil, err
		}
		if len(tail) > 0 && (w == nil || placeOf(&tail[0]).after(w.places[0])) {
			page, tail = append(page, tail[0]), tail[1:]
			continue
		}
		if w == nil {
			break
		}
		e, ok, err := loaded.event(ctx, w.places[0])
		if err != nil {
			return nil, err
		}
		w.places = w.places[1:]
		if ok && s.matches(&e) {
			page = append(page, e)
		}
	}
	return page, nil
}

// tail returns the selected events that are not indexed yet, newest first.
func (r reader) tail(ctx context.Context, s *selection) ([]storage.AuditEvent, error) {
	streams, err := r.AuditStreams(ctx)
	if err != nil {
		return nil, err
	}
	var tail []storage.AuditEvent
	for _, stream := range streams {
		if stream.HeadSeq <= stream.IndexedSeq {
			continue
		}
		events, err := r.AuditChain(ctx, stream.ID, stream.IndexedSeq, math.MaxInt32)
		if err != nil {
			return nil, err
		}
		tail = append(tail, slices.DeleteFunc(events, func(e storage.AuditEvent) bool { return !s.matches(&e) })...)
	}
	slices.SortFunc(tail, func(a, b storage.AuditEvent) int { return placeOf(&b).compare(placeOf(&a)) })
	return tail, nil
}

// place is where an event stands in the order of time over all streams.
type place struct{ time, streamID, seq int64 }

func placeOf(e *storage.AuditEvent) place { return place{e.Time.Unix(), e.StreamID, e.Seq} }

func (p place) compare(o place) int {
	return cmp.Or(cmp.Compare(p.time, o.time), cmp.Compare(p.streamID, o.streamID), cmp.Compare(p.seq, o.seq))
}

func (p place) after(o place) bool { return p.compare(o) > 0 }

// selection is a query as it is compared with events.
type selection struct {
	storage.AuditQuery
	clients map[string]bool // of the partner
	since   int64
	before  place // the end of the window, whichever comes first
}

func (r reader) newSelection(ctx context.Context, q storage.AuditQuery) (*selection, error) {
	s := &selection{AuditQuery: q, since: math.MinInt64, before: place{time: math.MaxInt64}}
	if !q.Since.IsZero() {
		s.since = ceiling(q.Since)
	}
	if !q.Until.IsZero() {
		s.before = place{time: ceiling(q.Until)}
	}
	if at := (place{q.Before.Time.Unix(), q.Before.StreamID, q.Before.Seq}); !q.Before.Time.IsZero() && s.before.after(at) {
		s.before = at
	}
	if q.PartnerID == "" {
		return s, nil
	}
	s.clients = map[string]bool{}
	err := r.each(ctx, `SELECT id FROM clients WHERE partner_id = $1`, []any{q.PartnerID}, func(scan func(...any) error) error {
		var id string
		err := scan(&id)
		s.clients[id] = true
		return err
	})
	return s, err
}

func (s *selection) matches(e *storage.AuditEvent) bool {
	at := placeOf(e)
	return s.before.after(at) && at.time >= s.since &&
		isOrAny(s.Kind, e.Kind) && isOrAny(s.Reason, e.Reason) && isOrAny(s.ClientID, e.ClientID) &&
		isOrAny(s.RequestID, e.RequestID) && isOrAny(s.TokenID, e.TokenID) &&
		(s.Thumbprint.IsZero() || s.Thumbprint == e.Thumbprint) && s.matchesPartner(e)
}

func isOrAny(wanted, value string) bool { return wanted == "" || wanted == value }

func (s *selection) matchesPartner(e *storage.AuditEvent) bool {
	return s.PartnerID == "" || s.clients[e.ClientID] || e.ClientID == "" && e.PartnerID == s.PartnerID
}

// terms are those that together have every selected event, and as few others as
// may be. No event has two of them.
func (s *selection) terms() []string {
	switch {
	case s.RequestID != "":
		return []string{term(termRequest, s.RequestID[:requestPrefix])}
	case s.ClientID != "" && s.Reason != "":
		return []string{refusedTerm(s.ClientID, s.Reason)}
	case !s.Thumbprint.IsZero():
		return []string{certifiedTerm(s.Thumbprint)}
	case s.ClientID != "":
		return []string{term(termClient, s.ClientID)}
	case s.PartnerID != "":
		return s.partnerTerms()
	case s.Reason != "":
		return []string{term(termReason, s.Reason)}
	case s.Kind != "" && s.Kind != commonKind:
		return []string{term(termKind, s.Kind)}
	default:
		return []string{termAll}
	}
}

// partnerTerms are those of what concerns the partner itself, and of each of its
// clients: events are not found by the partner as it was then.
func (s *selection) partnerTerms() []string {
	terms := []string{term(termPartner, s.PartnerID)}
	for id := range s.clients {
		if s.Reason != "" {
			terms = append(terms, refusedTerm(id, s.Reason))
		} else {
			terms = append(terms, term(termClient, id))
		}
	}
	slices.Sort(terms)
	return slices.Compact(terms) // long ids may share one
}

// ceiling rounds up: what is stored as a whole second lies after its fraction.
func ceiling(t time.Time) int64 {
	if t.Nanosecond() > 0 {
		return t.Unix() + 1
	}
	return t.Unix()
}
