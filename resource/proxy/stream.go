package proxy

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// pace lets forwarded exchanges take as long as they make progress. The server's
// ReadTimeout and WriteTimeout bound a whole exchange, which would cut long
// uploads, downloads and event streams; here they bound each single read and
// write instead. A server without these timeouts is left alone.
//
// Most exchanges are over long before, within the server's own deadlines, and
// nothing is done about them: whoever lasts is renewed by the watch, before two
// thirds of either time have passed.
type pace struct {
	control     http.ResponseController
	read, write time.Duration
	// drains says that writing the answer's head, and ending the exchange, may
	// read: HTTP/1.1 of net/http consumes what is left of the body (up to 256 KiB)
	// before it sends an answer. HTTP/2 does not.
	drains bool
	body   bool // there is one, and its reads are bounded one by one

	writes atomic.Uint32 // begun and ended: odd while the caller is written to

	mu      sync.Mutex // a read may still be running when the handler returns
	readers int        // the transport, and net/http as it writes
	renewed bool       // the server's deadlines are gone
	seen    uint32     // writes, when last renewed
	ended   bool
}

// begin takes the deadlines over from the server.
func (p *pace) begin(w http.ResponseWriter, r *http.Request, body bool) {
	p.control, p.drains, p.body = *http.NewResponseController(w), r.ProtoMajor < 2, body
	if srv, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok {
		p.read, p.write = srv.ReadTimeout, srv.WriteTimeout
	}
	if body {
		p.boundRead(time.Time{})
	}
}

// interval is how often an exchange must be renewed; at most usual.
func (p *pace) interval(usual time.Duration) time.Duration {
	for _, limit := range []time.Duration{p.read, p.write} {
		if limit > 0 {
			usual = min(usual, limit/3) // the first look may come too early to renew anything
		}
	}
	return usual
}

// renew gives an exchange that is under way more time. Who has been in one and
// the same write since the last time gets none, so that a single write is bounded
// by the server's WriteTimeout, or by up to one interval more.
func (p *pace) renew() {
	writes := p.writes.Load()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return
	}
	if !p.renewed && !p.body {
		// The server watches the connection by a read of its own, and would take a
		// timeout for the caller's leaving.
		p.boundRead(time.Time{})
	}
	p.renewed = true
	if stalled := writes%2 == 1 && writes == p.seen; !stalled {
		p.boundWrite(p.write)
	}
	p.seen = writes
}

// release leaves the deadlines to whoever has taken the connection over, who got
// it without any.
func (p *pace) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
}

// boundRead sets the read deadline. Deadlines of connections are in real time,
// whatever clock decisions are made by. A server that cannot set one keeps its
// own bounds, hence no error.
func (p *pace) boundRead(deadline time.Time) {
	if p.read > 0 {
		_ = p.control.SetReadDeadline(deadline)
	}
}

// beginRead bounds the reads from now on; endRead lifts the bound when the last
// reader is done. Without a count the transport, done with its read, would lift
// the bound from under a drain.
func (p *pace) beginRead() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.readers++
	if !p.ended {
		p.boundRead(deadline(p.read))
	}
}

func (p *pace) endRead() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.readers--
	if !p.ended && p.readers == 0 {
		p.boundRead(time.Time{})
	}
}

// boundWrite bounds what is written from now on.
func (p *pace) boundWrite(d time.Duration) {
	if p.write > 0 {
		_ = p.control.SetWriteDeadline(deadline(d))
	}
}

func deadline(d time.Duration) time.Time { return time.Now().Add(d) }

// longAgo as a deadline makes every read fail at once.
var longAgo = time.Unix(1, 0)

// end gives the connection back: what the server still flushes is bounded, by its
// own deadline if nothing was renewed, and a late read must not touch the deadlines
// of the next request. A caller who stalls with part of the body unsent is waited for
// no longer than for any read, and not at all when it has stalled already or the
// handler panics: net/http, which wants the rest of the body before it answers, would
// wait for ever.
func (p *pace) end(body *pacedBody, answered bool) {
	p.mu.Lock()
	p.ended = true
	if p.renewed {
		p.boundWrite(p.write)
	}
	if p.read == 0 || !p.drains || body.complete() {
		p.mu.Unlock()
		return
	}
	if err := body.err(); answered && (err == nil || errors.Is(err, errBodyTooLarge)) {
		p.boundRead(deadline(p.read))
	} else {
		p.boundRead(longAgo)
	}
	p.mu.Unlock()
	if body.begun() {
		// The transport may be in a read still. net/http would break that off, lift
		// the deadline and then drain; once closed there is nothing left to drain. A
		// body nobody has asked for is left to net/http, which answers
		// Expect: 100-continue without waiting for it.
		_ = body.body.Close()
	}
}

// abandon gives the rest of the body up, whatever the server's own bounds are: who
// reads it now, the transport among them, fails at once.
func (p *pace) abandon(body *pacedBody) {
	if body.complete() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true // a read that is under way must not move the deadline
	_ = p.control.SetReadDeadline(longAgo)
}

var errBodyTooLarge = errors.New("proxy: the request body is over the configured bound")

// pacedBody is the body of a request on its way to the upstream. It remembers
// its own failure, which the transport reports as if the upstream had failed.
type pacedBody struct {
	body    io.ReadCloser
	pace    *pace
	watch   *watch
	in, out http.Header // trailers: the caller's, and those of them that go on
	left    int64       // bytes still allowed, when bounded
	bounded bool

	turn sync.Mutex // held by a read as a whole

	mu     sync.Mutex // the transport reads in a goroutine of its own
	reads  bool       // the first read has begun
	whole  bool       // its end has been read
	failed error
}

// Read passes bytes on until the body ends, fails or crosses its bound.
func (b *pacedBody) Read(p []byte) (int, error) {
	b.turn.Lock()
	defer b.turn.Unlock()
	if b.bounded && int64(len(p)) > b.left+1 {
		p = p[:b.left+1] // one byte more shows that there is more
	}
	b.note(func() { b.reads = true })
	b.pace.beginRead()
	n, err := b.body.Read(p)
	whole := err == io.EOF //nolint:errorlint // io.Reader returns io.EOF itself
	b.watch.touch()
	if whole {
		for name := range b.out {
			b.out[name] = b.in[name]
		}
		b.note(func() { b.whole = true })
		b.watch.sent.Store(int64(time.Since(b.watch.began)))
	}
	b.pace.endRead()
	if b.bounded {
		if b.left -= int64(n); b.left < 0 {
			n, err, whole = 0, errBodyTooLarge, false
		}
	}
	if err != nil && !whole {
		b.note(func() { b.failed = err })
	}
	return n, err
}

func (b *pacedBody) note(change func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change()
}

// Close closes the inbound body.
func (b *pacedBody) Close() error { return b.body.Close() }

// err is why reading the body failed, nil if it did not.
func (b *pacedBody) err() error {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failed
}

// settled is err once the read that is under way, if any, has ended. It does not
// wait where reads are not bounded.
func (b *pacedBody) settled() error {
	if b == nil || b.pace.read == 0 {
		return b.err()
	}
	b.turn.Lock()
	defer b.turn.Unlock()
	return b.err()
}

// begun reports whether anybody has asked for the body.
func (b *pacedBody) begun() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.reads
}

// complete reports whether nothing of the body is left to be read.
func (b *pacedBody) complete() bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.whole
}

// answerWriter is the caller's side of an answer.
type answerWriter struct {
	http.ResponseWriter
	pace  *pace
	body  *pacedBody // of the request; nil when it has none
	watch *watch
}

// WriteHeader strips informational answers, which do not pass answered.
func (w *answerWriter) WriteHeader(status int) {
	if status < 200 { // written at once
		stripAnswer(w.Header())
		w.pace.writes.Add(1)
		defer w.pace.writes.Add(1)
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write bounds the time the caller may take to read these bytes.
func (w *answerWriter) Write(p []byte) (int, error) {
	reads := w.bound()
	defer w.lift(reads)
	return w.ResponseWriter.Write(p)
}

// FlushError is Flush with the same bound.
func (w *answerWriter) FlushError() error {
	reads := w.bound()
	defer w.lift(reads)
	return w.pace.control.Flush()
}

// bound shows a write to the pace, and bounds the drain it may begin with: reads.
// Where the body is complete the read deadline is left alone; see renew.
func (w *answerWriter) bound() (reads bool) {
	w.pace.writes.Add(1)
	reads = w.pace.drains && !w.body.complete()
	if reads {
		w.pace.beginRead()
	}
	return reads
}

// lift ends what bound began.
func (w *answerWriter) lift(reads bool) {
	if reads {
		w.pace.endRead()
	}
	w.pace.writes.Add(1)
}
