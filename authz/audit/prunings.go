package audit

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/certbound/certbound/storage"
)

// pruningsPage is how many statements are read at once. The last one covers every
// chain but in rare cases.
const pruningsPage = 20

// prunings are the signed statements that the beginnings of chains rest on.
type prunings struct {
	keySet []byte
	signed []*Pruning     // newest first
	named  map[int64]bool // ids that an event of the chains names
	last   int64          // id of the last that there is
	newest int64          // id of the newest, which must be named: no pruning gives up its own event
}

// readPrunings reads as many as the streams need, newest first.
func readPrunings(ctx context.Context, trail Trail, keySet []byte, streams []storage.AuditStream) (*prunings, error) {
	p := &prunings{keySet: keySet, named: map[int64]bool{}}
	err := p.readMore(ctx, trail, streams)
	p.newest = p.last // the event of a later one may lie behind the walk
	return p, err
}

// readMore reads them anew.
func (p *prunings) readMore(ctx context.Context, trail Trail, streams []storage.AuditStream) error {
	p.signed, p.last = nil, 0
	for before := int64(0); ; {
		page, err := trail.AuditPrunings(ctx, before, pruningsPage)
		if err != nil {
			return err
		}
		for _, row := range page {
			before, p.last = row.ID, max(p.last, row.ID)
			one, err := ParsePruning(row.JWS, p.keySet)
			if err != nil {
				continue // it vouches for nothing, which a chain that needs it says
			}
			one.ID = row.ID
			p.signed = append(p.signed, one)
		}
		if len(page) < pruningsPage || p.cover(streams) {
			return nil
		}
	}
}

// cover reports whether there is a statement for each stream that needs one.
func (p *prunings) cover(streams []storage.AuditStream) bool {
	for i := range streams {
		if streams[i].PrunedSeq > 0 && p.of(&streams[i]) == nil {
			return false
		}
	}
	return true
}

// of returns the statement that gives leave for the beginning of a chain, or nil.
func (p *prunings) of(s *storage.AuditStream) *Pruning {
	for _, one := range p.signed {
		if head, ok := one.Until.head(s.Instance); ok && head.Seq == s.PrunedSeq && head.Hash == hashText(s.PrunedHash) {
			return one
		}
	}
	return nil
}

// recorded notes which pruning an event is about.
func (p *prunings) recorded(e *storage.AuditEvent) {
	var detail struct {
		ID int64 `json:"id"`
	}
	if json.Unmarshal([]byte(e.Detail), &detail) == nil {
		p.named[detail.ID] = true
	}
}

// unrecorded finds the pruning whose event is gone. The event of an earlier one may
// have been pruned itself, be it meanwhile.
func (p *prunings) unrecorded() []Fault {
	if p.newest == 0 || p.named[p.newest] || len(p.signed) > 0 && p.signed[0].ID > p.newest {
		return nil
	}
	what := "the event that records it is gone"
	for _, one := range p.signed {
		if one.ID == p.newest {
			what = fmt.Sprintf("the event that records it, by %s, is gone", one.By)
		}
	}
	return []Fault{{"", p.newest, what}}
}
