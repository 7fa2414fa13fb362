package oauth

import (
	"net/http"
	"strconv"
	"time"

	"github.com/certbound/certbound/resource/decision"
)

// Error is a refusal as a value; it is no error of Go, because nothing may pass it
// on without an answer. The caller sees what the reason's [decision.Answer]
// says; the rest is for the operator and goes into the decision's evidence.
type Error struct {
	Reason   decision.Reason
	Detail   string // one sentence: what to look at
	Expected string // the registered side of a comparison that failed
	Seen     string // the presented side

	// Challenge is the value of WWW-Authenticate. RFC 6749 §5.2 demands it, with
	// status 401, when the client tried to authenticate by the Authorization
	// header.
	Challenge string

	// RetryAfter is when the caller may come back, if that can be said.
	RetryAfter time.Duration
}

// Refuse returns an Error for reason, with a detail for the operator.
func Refuse(reason decision.Reason, detail string) *Error {
	return &Error{Reason: reason, Detail: detail}
}

// RefuseFor returns an Error for reason whose detail is cause's text.
func RefuseFor(reason decision.Reason, cause error) *Error {
	return &Error{Reason: reason, Detail: cause.Error()}
}

// Answer is what the caller gets. With a Challenge the answer is the 401 of a
// failed client authentication.
func (e *Error) Answer() decision.Answer {
	a := e.Reason.AtAuthorizationServer()
	if e.Challenge != "" && a.Status < http.StatusInternalServerError {
		a.Status, a.Error = http.StatusUnauthorized, "invalid_client"
	}
	return a
}

// Record copies what the operator is to see into the evidence.
func (e *Error) Record(evidence *decision.Evidence) {
	evidence.Detail, evidence.Expected, evidence.Seen = e.Detail, e.Expected, e.Seen
}

// retryAfter is when a caller is to come back after a 503.
const retryAfter = 5 * time.Second

// WriteError is the one writer of refusals at the authorization server.
func WriteError(w http.ResponseWriter, e *Error, requestID string) {
	if e.Challenge != "" {
		w.Header().Set("WWW-Authenticate", e.Challenge)
	}
	a, wait := e.Answer(), e.RetryAfter
	if a.Status == http.StatusServiceUnavailable && wait == 0 {
		wait = retryAfter
	}
	if wait > 0 { // in whole seconds, rounded up: nobody is asked to come back too early
		w.Header().Set("Retry-After", strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10))
	}
	decision.WriteRefusal(w, a, requestID)
}
