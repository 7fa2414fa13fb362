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

// Trail is the chains and the statements of what was pruned of them.
type Trail interface {
	Chains
	AuditPrunings(ctx context.Context, before int64, limit int) ([]storage.AuditPruning, error)
}

// Report is the outcome of a verification.
type Report struct {
	Streams int
	Events  int64
	Pruned  []Beginning // of the chains that were pruned
	Faults  []Fault
}

// Beginning is where a chain that was pruned begins, and on whose word.
type Beginning struct {
	Instance string
	Seq      int64 // the last event that was given up
	Pruning  *Pruning
	// Covered is what the checkpoint that was kept has seen of the chain, when all of
	// that was given up: there is nothing left to compare it with. 0 otherwise.
	Covered int64
}

// Fault is a place at which a chain does not hold.
type Fault struct {
	Instance string // empty: it is about the pruning of the number Seq
	Seq      int64  // the event at which it shows
	What     string
}

func (f Fault) String() string {
	if f.Instance == "" {
		return fmt.Sprintf("pruning %d: %s", f.Seq, f.What)
	}
	return fmt.Sprintf("stream %s, event %d: %s", f.Instance, f.Seq, f.What)
}

// verifyPage is how many events are read at once.
const verifyPage = 1000

// Verify follows every chain from its beginning to its head. It finds an event
// that was deleted, changed, moved or inserted. Where a chain was pruned it begins
// behind a checkpoint, and there has to be a signed pruning that says so; keySet is
// the JWK set of the keys of CheckpointPurpose. A tail that was cut together with
// the mark of the index shows only against a checkpoint that was kept elsewhere; nil
// means that there is none.
func Verify(ctx context.Context, trail Trail, keySet []byte, kept *Checkpoint) (*Report, error) {
	streams, err := trail.AuditStreams(ctx)
	if err != nil {
		return nil, fmt.Errorf("audit: verify: %w", err)
	}
	signed, err := readPrunings(ctx, trail, keySet, streams) // after the streams, so that it knows no less
	if err != nil {
		return nil, fmt.Errorf("audit: verify: %w", err)
	}
	report := &Report{Streams: len(streams)}
	seen := make(map[string]bool, len(streams))
	for _, stream := range streams {
		seen[stream.Instance] = true
		part, err := verifyStream(ctx, trail, stream, signed, kept)
		if err != nil {
			return nil, fmt.Errorf("audit: verify stream %s: %w", stream.Instance, err)
		}
		report.Events += part.Events
		report.Pruned = append(report.Pruned, part.Pruned...)
		report.Faults = append(report.Faults, part.Faults...)
	}
	if kept != nil {
		for _, head := range kept.Heads {
			if !seen[head.Instance] {
				report.Faults = append(report.Faults, Fault{head.Instance, head.Seq, "the checkpoint knows this stream, and it is gone"})
			}
		}
	}
	report.Faults = append(report.Faults, signed.unrecorded()...)
	return report, nil
}

// verifyStream follows one chain. Where it does not hold and was pruned meanwhile, it
// is followed again.
func verifyStream(ctx context.Context, trail Trail, stream storage.AuditStream, signed *prunings, kept *Checkpoint) (*Report, error) {
	v := verification{report: &Report{}, stream: stream, prunings: signed}
	v.kept, v.hasKept = kept.head(stream.Instance)
	v.begin()
	if err := v.run(ctx, trail); err != nil || len(v.report.Faults) == 0 {
		return v.report, err
	}
	now, err := trail.AuditStreams(ctx)
	if err != nil {
		return nil, err
	}
	for _, again := range now {
		if again.ID != stream.ID || again.PrunedSeq == stream.PrunedSeq {
			continue
		}
		if err := signed.readMore(ctx, trail, now); err != nil {
			return nil, err
		}
		return verifyStream(ctx, trail, again, signed, kept)
	}
	return v.report, nil
}

// verification is the walk along one stream.
type verification struct {
	report   *Report
	stream   storage.AuditStream
	prunings *prunings
	kept     Head
	hasKept  bool

	seq  int64 // of the event the walk has reached
	hash storage.AuditHash
	head storage.AuditHash // of the event that was the head when the walk began
}

// begin looks at where the chain begins.
func (v *verification) begin() {
	s := &v.stream
	if s.PrunedSeq == 0 {
		return
	}
	at := Beginning{Instance: s.Instance, Seq: s.PrunedSeq, Pruning: v.prunings.of(s)}
	if at.Pruning == nil {
		v.fault(s.PrunedSeq, "the chain is said to begin behind this event, and no pruning signed by this server says so: what came before was removed without leave")
		return
	}
	if v.hasKept && v.kept.Seq > 0 && v.kept.Seq <= s.PrunedSeq {
		at.Covered = v.kept.Seq
	}
	if at.Covered == s.PrunedSeq && v.kept.Hash != hashText(s.PrunedHash) {
		v.fault(s.PrunedSeq, "is another one than the checkpoint has seen")
	}
	v.report.Pruned = append(v.report.Pruned, at)
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
	if v.seq < v.stream.PrunedSeq { // all of it is gone
		v.skip()
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

// skip passes over what was pruned.
func (v *verification) skip() {
	v.seq, v.hash = v.stream.PrunedSeq, v.stream.PrunedHash
	if v.seq == v.stream.HeadSeq {
		v.head = v.hash
	}
}

// step looks at the next event. One that was given up and not deleted yet has to be
// right as well, but need not be there.
func (v *verification) step(e *storage.AuditEvent) {
	v.report.Events++
	pruned := v.stream.PrunedSeq
	switch {
	case e.Seq <= v.seq+1 || v.seq >= pruned:
	case e.Seq > pruned:
		v.skip()
	default:
		v.seq, v.hash = e.Seq-1, e.Prev
	}
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
	if e.Seq == pruned && e.Hash != v.stream.PrunedHash {
		v.fault(e.Seq, "is another one than the chain is said to begin behind")
	}
	if e.Kind == string(TrailPruned) {
		v.prunings.recorded(e)
	}
	v.seq, v.hash = e.Seq, e.Hash
	if v.seq == v.stream.HeadSeq {
		v.head = v.hash
	}
}
