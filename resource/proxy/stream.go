package proxy

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// pace lets forwarded exchanges take as long as they make progress. The server's
// ReadTimeout and WriteTimeout bound a whole exchange, which would cut long
// uploads, downloads and event streams; here they bound each single read and
// write instead. A server without these timeouts is left alone.
type pace struct {
	control     *http.ResponseController
	read, write time.Duration

	mu    sync.Mutex // a read may still be running when the handler returns
	ended bool
}

func newPace(w http.ResponseWriter, r *http.Request) *pace {
	p := &pace{control: http.NewResponseController(w)}
	if srv, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok {
		p.read, p.write = srv.ReadTimeout, srv.WriteTimeout
	}
	p.allowRead(0)
	p.allowWrite(0)
	return p
}

// allowRead bounds the next read; 0 lifts the bound. Deadlines of connections are
// in real time, whatever clock decisions are made by. A server that cannot set
// one keeps its own bounds, hence no error.
func (p *pace) allowRead(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.read > 0 && !p.ended {
		_ = p.control.SetReadDeadline(deadline(d))
	}
}

func (p *pace) allowWrite(d time.Duration) {
	if p.write > 0 {
		_ = p.control.SetWriteDeadline(deadline(d))
	}
}

func deadline(d time.Duration) time.Time {
	if d == 0 {
		return time.Time{}
	}
	return time.Now().Add(d)
}

// end gives the connection back: what the server still flushes is bounded again,
// and a late read must not touch the deadlines of the next request.
func (p *pace) end() {
	p.allowWrite(p.write)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
}

var errBodyTooLarge = errors.New("proxy: the request body is over the configured bound")

// pacedBody is the body of a request on its way to the upstream. It remembers
// its own failure, which the transport reports as if the upstream had failed.
type pacedBody struct {
	body    io.ReadCloser
	pace    *pace
	left    int64 // bytes still allowed, when bounded
	bounded bool

	mu     sync.Mutex // the transport reads in a goroutine of its own
	failed error
}

// Read passes bytes on until the body ends, fails or crosses its bound.
func (b *pacedBody) Read(p []byte) (int, error) {
	if b.bounded && int64(len(p)) > b.left+1 {
		p = p[:b.left+1] // one byte more shows that there is more
	}
	b.pace.allowRead(b.pace.read)
	n, err := b.body.Read(p)
	b.pace.allowRead(0)
	if b.bounded {
		if b.left -= int64(n); b.left < 0 {
			n, err = 0, errBodyTooLarge
		}
	}
	if err != nil && err != io.EOF { //nolint:errorlint // io.Reader returns io.EOF itself
		b.mu.Lock()
		b.failed = err
		b.mu.Unlock()
	}
	return n, err
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

// answerWriter is the caller's side of an answer.
type answerWriter struct {
	http.ResponseWriter
	pace *pace
}

// WriteHeader strips informational answers, which do not pass answered.
func (w *answerWriter) WriteHeader(status int) {
	if status < 200 {
		stripAnswer(w.Header())
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write bounds the time the caller may take to read these bytes.
func (w *answerWriter) Write(p []byte) (int, error) {
	w.pace.allowWrite(w.pace.write)
	defer w.pace.allowWrite(0)
	return w.ResponseWriter.Write(p)
}

// FlushError is Flush with the same bound.
func (w *answerWriter) FlushError() error {
	w.pace.allowWrite(w.pace.write)
	defer w.pace.allowWrite(0)
	return w.pace.control.Flush()
}

// trailingBody strips trailers that arrive behind an answer's body; they are
// complete once it is closed.
type trailingBody struct {
	io.ReadCloser
	res *http.Response
}

// Close closes the upstream's body and strips its trailers.
func (b *trailingBody) Close() error {
	err := b.ReadCloser.Close()
	stripAnswer(b.res.Trailer)
	return err
}
