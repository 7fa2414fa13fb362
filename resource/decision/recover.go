package decision

import (
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"
)

// Recover turns a panic of next into the refusal internal_error: logged with its
// stack, then put into sink as a decision, and answered with the common body. When part of an
// answer has left already, a second one must not follow it: then the connection
// (of HTTP/2: the stream) is broken off, as it is for http.ErrAbortHandler.
func Recover(next http.Handler, journey Journey, sink Sink, clock func() time.Time) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := clock()
		watched := &watchedWriter{ResponseWriter: w}
		defer func() {
			failure := recover()
			if failure == nil {
				return
			}
			if err, ok := failure.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(http.ErrAbortHandler)
			}
			d := New(r, journey, start)
			sink.Logger.ErrorContext(r.Context(), "panic", "request_id", d.RequestID,
				"panic", fmt.Sprint(failure), "stack", string(debug.Stack()))
			if watched.begun {
				panic(http.ErrAbortHandler)
			}
			a := journey.answer(InternalError)
			d.Evidence.Detail = "a handler panicked; see the log"
			d.Refuse(InternalError, a.Status, clock())
			sink.Put(r.Context(), &d)
			clear(w.Header()) // whatever they were, they were for another answer
			WriteRefusal(w, a, d.RequestID)
		}()
		next.ServeHTTP(watched, r)
	})
}

// answer is what the half that a journey belongs to says for a reason.
func (j Journey) answer(r Reason) Answer {
	if j == TokenRequest {
		return r.AtAuthorizationServer()
	}
	return r.AtResourceServer()
}

// watchedWriter knows whether an answer has begun.
type watchedWriter struct {
	http.ResponseWriter
	begun bool
}

// WriteHeader passes the status on. Informational ones begin no answer, but for
// the 101 that ends HTTP.
func (w *watchedWriter) WriteHeader(status int) {
	w.begun = w.begun || status >= 200 || status == http.StatusSwitchingProtocols
	w.ResponseWriter.WriteHeader(status)
}

// Write passes bytes on.
func (w *watchedWriter) Write(p []byte) (int, error) {
	w.begun = true
	return w.ResponseWriter.Write(p)
}

// FlushError begins an answer too.
func (w *watchedWriter) FlushError() error {
	w.begun = true
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Unwrap is for http.ResponseController, which finds deadlines by it.
func (w *watchedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
