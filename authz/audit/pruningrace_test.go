package audit_test

import (
	"context"
	"sync"
	"testing"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/storage"
)

// meanwhile is a trail to which something happens before a chain is read for the first
// time.
type meanwhile struct {
	*trail
	once sync.Once
	do   func()
}

func (m *meanwhile) AuditChain(ctx context.Context, streamID, afterSeq int64, limit int) ([]storage.AuditEvent, error) {
	m.once.Do(m.do)
	return m.trail.AuditChain(ctx, streamID, afterSeq, limit)
}

// TestPrunedMeanwhile: an honest pruning that gives up and deletes the event of the one
// before, while the chains are followed, is no fault.
func TestPrunedMeanwhile(t *testing.T) {
	tr := newTrail(t)
	tr.life(3)
	if err := tr.prune(tr.checkpoint()); err != nil {
		t.Fatal(err)
	}
	tr.life(3)
	walk := &meanwhile{trail: tr, do: func() {
		if err := tr.prune(tr.checkpoint()); err != nil {
			t.Fatal(err)
		}
		tr.sweep(tr.sweeper(0), func() bool { return tr.count("audit_batches") == 1 })
	}}
	report, err := audit.Verify(t.Context(), walk, tr.ring.PublicJWKS(), nil)
	if err != nil || len(report.Faults) > 0 {
		t.Errorf("faults %v %v", report.Faults, err)
	}
}
