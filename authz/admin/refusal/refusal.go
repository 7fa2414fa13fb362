package refusal

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/certbound/certbound/authz/oauth"
	"github.com/certbound/certbound/authz/registration"
	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/storage"
)

// Refusal is why a request is not served. It passes through Store.Update as an
// error, so that what a transaction finds ends the request like anything else.
type Refusal struct {
	Reason decision.Reason // what the operator sees
	Detail string          // for the operator, never in the answer
	Errors []FieldError    // the members and parameters it is about
	Header http.Header     // of the answer, beside the usual ones

	Expected, Seen string // for the operator

	answer decision.Answer // what the caller sees, when it is not what Reason says
}

func (f *Refusal) Error() string { return "refusal: " + string(f.Reason) + ": " + f.Detail }

// Of is the refusal for whatever ended a request: one that was found on the way stays
// what it is, what the store said is put in the caller's words.
func Of(err error) *Refusal {
	var f *Refusal
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, storage.ErrNotFound):
		return New(RecordUnknown, "the path names no record")
	case errors.Is(err, storage.ErrStale):
		return New(RecordStale, err.Error())
	case errors.Is(err, storage.ErrConflict):
		return &Refusal{Reason: Conflict, Detail: err.Error(), Errors: []FieldError{{Field: "body", Detail: registration.InWords(err).Error()}}}
	}
	return New(decision.StorageUnavailable, err.Error())
}

// New is a refusal that names no member.
func New(reason decision.Reason, detail string) *Refusal {
	return &Refusal{Reason: reason, Detail: detail}
}

// ByVerifier is the verifier's verdict on the token and its binding. The
// challenge it would have sent goes into our answer.
func ByVerifier(r *resource.Refusal) *Refusal {
	written := headerOf{header: http.Header{}}
	r.Write(written)
	f := New(r.Decision.Reason, r.Decision.Evidence.Detail)
	f.Expected, f.Seen = r.Decision.Evidence.Expected, r.Decision.Evidence.Seen
	f.Header = http.Header{}
	for _, name := range []string{"WWW-Authenticate", "Retry-After"} {
		if values := written.header.Values(name); len(values) > 0 {
			f.Header[http.CanonicalHeaderKey(name)] = values
		}
	}
	return f
}

// headerOf is a ResponseWriter of which only the header is wanted.
type headerOf struct{ header http.Header }

func (h headerOf) Header() http.Header         { return h.header }
func (h headerOf) Write(p []byte) (int, error) { return len(p), nil }
func (h headerOf) WriteHeader(int)             {}

// ByAuthenticator is the verdict on the stored administrator. The caller sees no
// more of it than at the token endpoint.
func ByAuthenticator(e *oauth.Error) *Refusal {
	return &Refusal{Reason: e.Reason, Detail: e.Detail, Expected: e.Expected, Seen: e.Seen, answer: e.Answer()}
}

// Public is what the caller is told.
func (f *Refusal) Public() decision.Answer {
	if f.answer.Status != 0 {
		return f.answer
	}
	if a, ok := answers[f.Reason]; ok {
		a.Public = f.Reason
		return a
	}
	if a := f.Reason.AtResourceServer(); a.Public == f.Reason {
		return a
	}
	return f.Reason.AtAuthorizationServer() // storage and audit; what it does not know either is internal_error
}

// ProblemBody is RFC 9457's problem details with our two members.
type ProblemBody struct {
	Type      string          `json:"type"`
	Title     string          `json:"title"`
	Status    int             `json:"status"`
	Reason    decision.Reason `json:"reason"`
	RequestID string          `json:"request_id"`
	Errors    []FieldError    `json:"errors,omitempty"`
}

// problemType precedes the reason in the type of a problem.
const problemType = "urn:certbound:problem:"

// Write answers one request. Audience is the realm of a challenge.
func (f *Refusal) Write(w http.ResponseWriter, audience, requestID string) {
	a := f.Public()
	if a.Status == http.StatusUnauthorized { // RFC 9110 §15.5.2 asks for a challenge; the verifier's own is better
		w.Header().Set("WWW-Authenticate", `Bearer realm="`+audience+`", error="invalid_token"`)
	}
	for name, values := range f.Header {
		w.Header()[name] = values
	}
	if a.Status == http.StatusServiceUnavailable && w.Header().Get("Retry-After") == "" {
		w.Header().Set("Retry-After", "5")
	}
	WriteJSON(w, a.Status, "application/problem+json", requestID, ProblemBody{
		Type: problemType + string(a.Public), Title: a.Description, Status: a.Status,
		Reason: a.Public, RequestID: requestID, Errors: f.Errors,
	})
}

// WriteJSON answers with body, which no cache keeps.
func WriteJSON(w http.ResponseWriter, status int, mediaType, requestID string, body any) {
	text, err := json.Marshal(body)
	if err != nil { // bodies are structs of the admin API; a panic is answered by Recover
		panic(err)
	}
	h := w.Header()
	h.Set("Content-Type", mediaType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set(decision.RequestIDHeader, requestID)
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // the caller may be gone; there is nobody to tell
}
