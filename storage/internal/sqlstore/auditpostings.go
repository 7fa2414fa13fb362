package sqlstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
)

// Kinds of terms; see the schema.
const (
	termAll       = "all"
	termKind      = "kind "
	termReason    = "reason "
	termClient    = "client "
	termPartner   = "partner "
	termRefused   = "refused "
	termCertified = "x5t "
	termRequest   = "request "
)

const (
	// maxTermValue is how much of a value goes into a term. Those that begin alike
	// are told apart by their events.
	maxTermValue = 128
	// requestPrefix is what the ids that are made together have in common.
	requestPrefix = 12
	// certifiedPrefix tells certificates apart as well as all of a thumbprint.
	certifiedPrefix = 16
	// commonKind is that of nearly every event, so a term of it would say nothing.
	commonKind = "token.issued"
)

func term(kind, value string) string {
	return kind + strings.ToValidUTF8(value[:min(len(value), maxTermValue)], "")
}

// refusedTerm is for the refusals of one client, among whose events they are few.
func refusedTerm(clientID, reason string) string {
	return term(termRefused, clientID) + term(" ", reason)
}

func certifiedTerm(t thumbprint.Thumbprint) string {
	return term(termCertified, t.String()[:certifiedPrefix])
}

// termsOf calls each with the terms an event is found by.
func termsOf(e *storage.AuditEvent, each func(term string)) {
	each(termAll)
	if e.Kind != commonKind {
		each(term(termKind, e.Kind))
	}
	switch {
	case e.ClientID != "":
		each(term(termClient, e.ClientID))
	case e.PartnerID != "":
		each(term(termPartner, e.PartnerID))
	}
	if e.Reason != "" {
		each(term(termReason, e.Reason))
		if e.ClientID != "" {
			each(refusedTerm(e.ClientID, e.Reason))
		}
	}
	if !e.Thumbprint.IsZero() {
		each(certifiedTerm(e.Thumbprint))
	}
	if e.RequestID != "" {
		each(term(termRequest, e.RequestID[:requestPrefix]))
	}
}

const (
	insertPosting = `INSERT INTO audit_postings (term, time, stream_id, seq, seqs) VALUES ($1, $2, $3, $4, $5)`

	moveIndexed = `UPDATE audit_streams SET indexed_seq = $1 WHERE id = $2 AND indexed_seq = $3`
)

// What the recorder writes, and what pruning asks often; Update keeps it prepared.
var groupCommit = []string{streamOfInstance, streamByID, commitBatch, insertPosting, moveIndexed, registrationVersion, postingsOfSecond}

// IndexAuditEvents implements storage.AuditWriter.
func (t *tx) IndexAuditEvents(ctx context.Context, streamID int64, known []storage.AuditEvent, limit int) (int, error) {
	if t.failed != nil {
		return 0, t.failed
	}
	stream, err := t.stream(ctx, streamByID, streamID)
	if err != nil {
		return 0, t.fail(err)
	}
	events, err := t.behind(ctx, stream, known, limit)
	if err != nil {
		return 0, t.fail(err)
	}
	if len(events) == 0 {
		return 0, nil
	}
	postings := postingsOf(events)
	err = t.execEach(ctx, "audit_postings", insertPosting, len(postings), func(i int) ([]any, error) {
		p := &postings[i]
		return []any{p.term, p.time, streamID, p.seqs[0], encodeSeqs(p.seqs)}, nil
	})
	if err != nil {
		return 0, err
	}
	last := events[len(events)-1].Seq
	if _, err := t.execCount(ctx, "audit_streams", moveIndexed, last, streamID, stream.IndexedSeq); err != nil {
		return 0, err
	}
	return len(events), nil
}

// behind returns events that are not indexed: known ones where they go on from the
// last, and stored ones where they do not.
func (r reader) behind(ctx context.Context, stream storage.AuditStream, known []storage.AuditEvent, limit int) ([]storage.AuditEvent, error) {
	var events []storage.AuditEvent
	for last := stream.IndexedSeq; len(events) < limit && last < stream.HeadSeq; last = events[len(events)-1].Seq {
		at, _ := slices.BinarySearchFunc(known, last+1, func(e storage.AuditEvent, seq int64) int { return cmp.Compare(e.Seq, seq) })
		known = known[at:]
		if len(known) > 0 && known[0].Seq == last+1 {
			events, known = append(events, known[0]), known[1:]
			continue
		}
		wanted := limit - len(events)
		if len(known) > 0 {
			wanted = min(wanted, int(known[0].Seq-last-1))
		}
		stored, err := r.AuditChain(ctx, stream.ID, last, wanted)
		if err != nil || len(stored) == 0 {
			return events, err
		}
		slices.SortFunc(stored, func(a, b storage.AuditEvent) int { return cmp.Compare(a.Seq, b.Seq) }) // if somebody has been at them
		events = append(events, stored...)
	}
	return events, nil
}

// posting is one row of the index: events of one term, stream and second.
type posting struct {
	term string
	time int64
	seqs []int64 // ascending
}

// postingsOf sorts events, whose numbers ascend, into postings in the order of
// their tree.
func postingsOf(events []storage.AuditEvent) []posting {
	type key struct {
		term string
		time int64
	}
	byKey := map[key]int{}
	var postings []posting
	for i := range events {
		e := &events[i]
		termsOf(e, func(term string) {
			k := key{term, e.Time.Unix()}
			at, ok := byKey[k]
			if !ok {
				at = len(postings)
				byKey[k] = at
				postings = append(postings, posting{term: term, time: k.time})
			}
			postings[at].seqs = append(postings[at].seqs, e.Seq)
		})
	}
	slices.SortFunc(postings, func(a, b posting) int {
		return cmp.Or(strings.Compare(a.term, b.term), cmp.Compare(a.time, b.time))
	})
	return postings
}

// encodeSeqs writes ascending numbers as distances from the first, runs of them as
// their two ends.
func encodeSeqs(seqs []int64) string {
	var b []byte
	for i := 0; i < len(seqs); {
		end := i
		for end+1 < len(seqs) && seqs[end+1] == seqs[end]+1 {
			end++
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, seqs[i]-seqs[0], 10)
		if end > i {
			b = strconv.AppendInt(append(b, '-'), seqs[end]-seqs[0], 10)
		}
		i = end + 1
	}
	return string(b)
}

// maxDistance bounds what a row that somebody has been at can make of a query.
const maxDistance = 1 << 20

var errSeqs = errors.New("storage: a posting is not a list of ascending numbers")

// decodeSeqs reads what encodeSeqs wrote.
func decodeSeqs(first int64, text string) ([]int64, error) {
	var seqs []int64
	next := int64(0)
	for part := range strings.SplitSeq(text, ",") {
		from, to, isRun := strings.Cut(part, "-")
		begin, err := distance(from)
		end := begin
		if err == nil && isRun {
			end, err = distance(to)
		}
		if err != nil || begin < next || end < begin {
			return nil, fmt.Errorf("%w: %.40q", errSeqs, text)
		}
		for d := begin; d <= end; d++ {
			seqs = append(seqs, first+d)
		}
		next = end + 1
	}
	return seqs, nil
}

func distance(text string) (int64, error) {
	d, err := strconv.ParseUint(text, 10, 63)
	if err == nil && d > maxDistance {
		err = errSeqs
	}
	return int64(d), err
}
