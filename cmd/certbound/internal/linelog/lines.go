package linelog

import (
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/certbound/certbound/resource/decision"
)

// enough is how many lines are written without waiting.
const enough = 64

// lines gathers whole lines. A decision is kept as it is and becomes text when it
// is written, many at once: amid all else that a request runs through, the same
// work takes several times as long.
type lines struct {
	writing sync.Mutex // held from taking a batch to having written it: it keeps the order
	w       io.Writer
	text    []byte  // of the last batch, for its memory
	spare   []entry // likewise

	mu      sync.Mutex
	waiting []entry
	timer   *time.Timer
	armed   bool // the timer is set
}

// entry is one line: a text, or a decision that is none yet.
type entry struct {
	head
	decision decision.Decision
}

type head struct {
	line  []byte
	now   time.Time
	level slog.Level
}

func newLines(w io.Writer) *lines {
	return &lines{w: w, waiting: make([]entry, 0, enough), spare: make([]entry, 0, enough)}
}

// Write implements io.Writer for one line. It reports no error: a log that cannot
// be written has nowhere to say so, and must not stop what it tells of.
func (l *lines) Write(line []byte) (int, error) {
	l.add(head{line: slices.Clone(line)}, nil)
	return len(line), nil
}

// add lets a line wait for others. Whoever brings the last that may wait writes
// them all; who comes meanwhile and finds the next batch full waits for that, so
// that no more lines gather than there are requests.
func (l *lines) add(e head, d *decision.Decision) {
	l.mu.Lock()
	n := len(l.waiting)
	l.waiting = slices.Grow(l.waiting, 1)[:n+1]
	l.waiting[n].head = e
	if d != nil {
		l.waiting[n].decision = *d
	}
	full := len(l.waiting) >= enough
	switch {
	case full, l.armed:
	case l.timer == nil:
		l.timer, l.armed = time.AfterFunc(Delay, l.flush), true
	default:
		l.timer.Reset(Delay)
		l.armed = true
	}
	l.mu.Unlock()
	if full {
		l.flush()
	}
}

// flush writes what waits.
func (l *lines) flush() {
	l.writing.Lock()
	defer l.writing.Unlock()
	l.mu.Lock()
	batch := l.waiting
	l.waiting, l.armed = l.spare[:0], false
	l.mu.Unlock()
	text := l.text[:0]
	for i := range batch {
		text = batch[i].append(text)
	}
	if len(text) > 0 {
		_, _ = l.w.Write(text) // see Write
	}
	clear(batch)
	l.spare, l.text = batch, text
}

// append appends the line to b.
func (e *entry) append(b []byte) []byte {
	if e.line != nil {
		return append(b, e.line...)
	}
	b = e.now.AppendFormat(append(b, `{"time":"`...), time.RFC3339Nano)
	b = append(append(b, `","level":"`...), e.level.String()...)
	b = append(b, `","msg":"decision",`...)
	return append(e.decision.AppendJSON(b, nil), "}\n"...)
}
