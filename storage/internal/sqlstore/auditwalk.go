package sqlstore

import (
	"context"
	"slices"

	"github.com/certbound/certbound/storage"
)

const postingsBefore = `
	SELECT time, stream_id, seq, seqs FROM audit_postings
	WHERE term = $1 AND time >= $2 AND (time, stream_id, seq) < ($3, $4, $5)
	ORDER BY time DESC, stream_id DESC, seq DESC LIMIT $6`

// How many rows of the index are read at once: few, for a page may need no more,
// and then twice as many each time.
const (
	firstPostings = 16
	mostPostings  = 1024
)

// walk goes through the events of one term, newest first.
type walk struct {
	reader
	selection *selection
	term      string
	places    []place // found and not used yet
	next      place   // where to read on, exclusive
	rows      int     // to read next
	done      bool
}

// walks begins one for each term of a selection.
func (r reader) walks(s *selection) []*walk {
	var all []*walk
	for _, term := range s.terms() {
		all = append(all, &walk{reader: r, selection: s, term: term, next: s.before, rows: firstPostings})
	}
	return all
}

// newest returns the walk that stands at the newest event, or nil at the end of all.
func newest(ctx context.Context, all []*walk) (first *walk, err error) {
	for _, w := range all {
		if err := w.fill(ctx); err != nil {
			return nil, err
		}
		if len(w.places) > 0 && (first == nil || w.places[0].after(first.places[0])) {
			first = w
		}
	}
	return first, nil
}

// fill makes sure that there is a place, unless the walk is over.
func (w *walk) fill(ctx context.Context) error {
	for len(w.places) == 0 && !w.done {
		if err := w.read(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) read(ctx context.Context) error {
	rows := 0
	args := []any{w.term, w.selection.since, w.next.time, w.next.streamID, w.next.seq, w.rows}
	err := w.each(ctx, postingsBefore, args, func(scan func(...any) error) error {
		rows++
		var text string
		if err := scan(&w.next.time, &w.next.streamID, &w.next.seq, &text); err != nil {
			return err
		}
		seqs, err := decodeSeqs(w.next.seq, text)
		if err != nil {
			return err
		}
		for _, seq := range slices.Backward(seqs) {
			// The second row of a page may begin before its end.
			if at := (place{w.next.time, w.next.streamID, seq}); w.selection.before.after(at) {
				w.places = append(w.places, at)
			}
		}
		return nil
	})
	w.done = rows < w.rows
	w.rows = min(2*w.rows, mostPostings)
	return err
}

// loader reads events at their places and keeps the batch it read last: events that
// are asked for one after the other often share one.
type loader struct {
	reader
	last batch
}

// event returns the event at a place. Not all that was indexed must be there still:
// somebody may have been at it.
func (l *loader) event(ctx context.Context, at place) (storage.AuditEvent, bool, error) {
	if l.last.streamID != at.streamID || at.seq < l.last.first || at.seq > l.last.last {
		found, err := list(ctx, l.reader, batchOf, []any{batchID(at.streamID, at.seq)}, scanBatch)
		if err != nil {
			return storage.AuditEvent{}, false, err
		}
		if len(found) == 0 || found[0].streamID != at.streamID {
			return storage.AuditEvent{}, false, nil
		}
		l.last = found[0]
	}
	e, ok := l.last.find(at.seq)
	return e, ok, nil
}
