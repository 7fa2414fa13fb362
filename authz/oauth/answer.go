package oauth

import (
	"net/http"
	"time"

	"github.com/certbound/certbound/resource/decision"
)

// NewDecision begins the decision about a request to the authorization server.
func NewDecision(r *http.Request, journey decision.Journey, now time.Time) *decision.Decision {
	d := decision.New(r, journey, now)
	return &d
}

// Refused ends d with e: it puts the decision into sink, then answers.
func Refused(w http.ResponseWriter, r *http.Request, sink decision.Sink, d *decision.Decision, e *Error, now time.Time) {
	e.Record(&d.Evidence)
	d.Refuse(e.Reason, e.Answer().Status, now)
	sink.Put(r.Context(), d)
	WriteError(w, e, d.RequestID)
}
