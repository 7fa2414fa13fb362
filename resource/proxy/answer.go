package proxy

import (
	"io"
	"mime"
	"net/http"
	"strings"
)

// answerBody is the body of an answer on its way to the caller.
type answerBody struct {
	io.ReadCloser
	res    *http.Response
	watch  *watch
	events bool // an event stream
}

// Read passes bytes on. An event stream that was ended by us ends as if the
// upstream had closed it, so that its client comes back in good order; any other
// answer breaks off, because its client must not take the part for the whole.
func (b *answerBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.watch.touch()
	if err != nil && b.events && b.watch.ended() != nil {
		err = io.EOF
	}
	return n, err
}

// Close closes the upstream's body and strips the trailers that came behind it.
func (b *answerBody) Close() error {
	err := b.ReadCloser.Close()
	stripAnswer(b.res.Trailer)
	return err
}

func isEventStream(h http.Header) bool {
	// Cheaper than parsing what nearly every answer has.
	if kind, _, _ := strings.Cut(h.Get("Content-Type"), ";"); !strings.EqualFold(strings.TrimSpace(kind), "text/event-stream") {
		return false
	}
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && kind == "text/event-stream"
}
