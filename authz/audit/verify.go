package audit

import (
	"context"
	"fmt"

	"github.com/certbound/certbound/storage"
)

// Chains reads the streams in order.
type Chains interface {
	AuditStreams(ctx context.Context) ([]storage.AuditStream, error)
	AuditChain(ctx context.Context, streamID, afterSeq int64, limit int) ([]storage.AuditEvent, error)
}

// Report is the outcome of a verification.
type Report struct {
	Streams int
	Events  int64
	Faults  []Fault
}

// Fault is a place at which a chain does not hold.
type Fault struct {
	Instance string
	Seq      int64 // the event at which it shows
	What     string
}

func (f Fault) String() string {
	return fmt.Sprintf("stream %s, event %d: %s", f.Instance, f.Seq, f.What)
}

// verifyPage is how many events are read at once.
const verifyPage = 1000

// Verify follows every chain from its beginning to its head. It finds an event
// that was deleted, changed, moved or inserted. A tail that was cut together with
// the mark of the index shows only against a checkpoint that was kept elsewhere; nil means that
// there is none.
func Verify(ctx context.Context, chains Chains, kept *Checkpoint) (*Report, error) {
	streams, err := chains.AuditStreams(ctx)
	if err != nil {
		return nil, fmt.Errorf("audit: verify: %w", err)
	}
	report := &Report{Streams: len(streams)}
	seen := make(map[string]bool, len(streams))
	for _, stream := range streams {
		seen[stream.Instance] = true
		v := verification{report: report, stream: stream}
		v.kept, v.hasKept = kept.head(stream.Instance)
		if err := v.run(ctx, chains); err != nil {
			return nil, fmt.Errorf("audit: verify stream %s: %w", stream.Instance, err)
		}
	}
	if kept != nil {
		for _, head := range kept.Heads {
			if !seen[head.Instance] {
				report.Faults = append(report.Faults, Fault{head.Instance, head.Seq, "the checkpoint knows this stream, and it is gone"})
			}
		}
	}
	return report, nil
}

// verification is the walk along one stream.
type verification struct {
	report  *Report
	stream  storage.AuditStream
	kept    Head
	hasKept bool

	seq  int64 // of the event the walk has reached
	hash storage.AuditHash
	head storage.AuditHash // of the event that was the head when the walk began
}

func (v *verification) fault(at int64, format string, args ...any) {
	v.report.Faults = append(v.report.Faults, Fault{v.stream.Instance, at, fmt.Sprintf(format, args...)})
}

func (v *verification) run(ctx context.Context, chains Chains) error {
	for {
		events, err := chains.AuditChain(ctx, v.stream.ID, v.seq, verifyPage)
		if err != nil {
			return err
		}
		for i := range events {
			v.step(&events[i])
		}
		if len(events) < verifyPage {
			break
		}
	}
	switch {
	case v.seq < v.stream.HeadSeq || v.head != v.stream.HeadHash: // it may have grown meanwhile
		v.fault(v.stream.HeadSeq, "the chain ends at event %d, its head says %d", v.seq, v.stream.HeadSeq)
	case v.seq < v.stream.IndexedSeq:
		v.fault(v.stream.IndexedSeq, "the chain ends at event %d, its index has seen %d", v.seq, v.stream.IndexedSeq)
	}
	if v.hasKept && v.kept.Seq > v.seq {
		v.fault(v.kept.Seq, "the checkpoint has seen this event, and the chain ends at event %d: its tail was cut", v.seq)
	}
	return nil
}

func (v *verification) step(e *storage.AuditEvent) {
	v.report.Events++
	switch {
	case e.Seq != v.seq+1:
		v.fault(v.seq+1, "missing: the next event is %d", e.Seq)
	case e.Prev != v.hash:
		v.fault(e.Seq, "does not follow the event before it")
	}
	if link(e) != e.Hash {
		v.fault(e.Seq, "was changed")
	}
	if v.hasKept && e.Seq == v.kept.Seq && hashText(e.Hash) != v.kept.Hash {
		v.fault(e.Seq, "is another one than the checkpoint has seen")
	}
	v.seq, v.hash = e.Seq, e.Hash
	if v.seq == v.stream.HeadSeq {
		v.head = v.hash
	}
}
