package admin

import (
	"encoding/json"
	"net/http"

	"github.com/certbound/certbound/authz/oauth"
	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/decision"
)

// Reasons only the admin API gives. The others are those of package decision.
const (
	RecordUnknown     decision.Reason = "record_unknown"     // 404: the path names a record that is not there
	RecordStale       decision.Reason = "record_stale"       // 412: If-Match names another state than the present one
	InputInvalid      decision.Reason = "input_invalid"      // 422: members or query parameters, each named
	LastAdministrator decision.Reason = "last_administrator" // 409: nobody could administer afterwards

	Conflict             decision.Reason = "conflict"               // 409: another record has it, or still needs it
	PreconditionRequired decision.Reason = "precondition_required"  // 428: the change needs If-Match
	MediaUnsupported     decision.Reason = "media_type_unsupported" // 415
	KeyReused            decision.Reason = "idempotency_key_reused" // 422: the key came with another request before
)

// answers are the titles of this API where it speaks of something else than a
// resource server does.
var answers = map[decision.Reason]decision.Answer{
	decision.RequestMalformed: {Status: http.StatusBadRequest, Description: "send one canonical path and, where a body is taken, one JSON object in UTF-8 as application/json"},
	decision.RequestTooLarge:  {Status: http.StatusRequestEntityTooLarge, Description: "the request body is larger than this route takes"},
	RecordUnknown:             {Status: http.StatusNotFound, Description: "there is no such record"},
	RecordStale:               {Status: http.StatusPreconditionFailed, Description: "the record has changed since its ETag was read; read it again"},
	InputInvalid:              {Status: http.StatusUnprocessableEntity, Description: "the request has members or parameters that cannot be accepted; errors names each"},
	Conflict:                  {Status: http.StatusConflict, Description: "another record has what this one is to have, or still needs what is to go; errors names each"},
	PreconditionRequired:      {Status: http.StatusPreconditionRequired, Description: "send the ETag of the state you have read in If-Match, so that nobody's change is overwritten unseen"},
	MediaUnsupported:          {Status: http.StatusUnsupportedMediaType, Description: "send the body as application/json (a PATCH as application/merge-patch+json), not compressed"},
	KeyReused:                 {Status: http.StatusUnprocessableEntity, Description: "this Idempotency-Key came with another request before; take a new one"},
	LastAdministrator:         {Status: http.StatusConflict, Description: "this is the last enabled administrator; enable or add another one first"},
}

// refusal is why a request is not served. It passes through Store.Update as an
// error, so that what a transaction finds ends the request like anything else.
type refusal struct {
	reason decision.Reason // what the operator sees
	detail string          // for the operator, never in the answer
	errors []fieldError    // for input_invalid

	answer         decision.Answer // what the caller sees, when given
	header         http.Header
	expected, seen string
}

// fieldError names a member or parameter, never its value.
type fieldError struct {
	Field   string `json:"field" doc:"The member, parameter or header."`
	Pointer string `json:"pointer,omitempty" doc:"JSON pointer (RFC 6901) into the body."`
	Detail  string `json:"detail"`
	Owner   string `json:"owner,omitempty" doc:"The id of the record that has what was asked for."`
}

func (f *refusal) Error() string { return "admin: " + string(f.reason) + ": " + f.detail }

func refuse(reason decision.Reason, detail string) *refusal {
	return &refusal{reason: reason, detail: detail}
}

// byVerifier is the verifier's verdict on the token and its binding. The
// challenge it would have sent goes into our answer.
func byVerifier(r *resource.Refusal) *refusal {
	written := headerOf{header: http.Header{}}
	r.Write(written)
	f := refuse(r.Decision.Reason, r.Decision.Evidence.Detail)
	f.expected, f.seen = r.Decision.Evidence.Expected, r.Decision.Evidence.Seen
	f.header = http.Header{}
	for _, name := range []string{"WWW-Authenticate", "Retry-After"} {
		if values := written.header.Values(name); len(values) > 0 {
			f.header[http.CanonicalHeaderKey(name)] = values
		}
	}
	return f
}

// headerOf is a ResponseWriter of which only the header is wanted.
type headerOf struct{ header http.Header }

func (h headerOf) Header() http.Header         { return h.header }
func (h headerOf) Write(p []byte) (int, error) { return len(p), nil }
func (h headerOf) WriteHeader(int)             {}

// byAuthenticator is the verdict on the stored administrator. The caller sees no
// more of it than at the token endpoint.
func byAuthenticator(e *oauth.Error) *refusal {
	return &refusal{reason: e.Reason, detail: e.Detail, expected: e.Expected, seen: e.Seen, answer: e.Answer()}
}

// public is what the caller is told.
func (f *refusal) public() decision.Answer {
	if f.answer.Status != 0 {
		return f.answer
	}
	if a, ok := answers[f.reason]; ok {
		a.Public = f.reason
		return a
	}
	if a := f.reason.AtResourceServer(); a.Public == f.reason {
		return a
	}
	return f.reason.AtAuthorizationServer() // storage and audit; what it does not know either is internal_error
}

// problemBody is RFC 9457's problem details with our two members.
type problemBody struct {
	Type      string          `json:"type"`
	Title     string          `json:"title"`
	Status    int             `json:"status"`
	Reason    decision.Reason `json:"reason"`
	RequestID string          `json:"request_id"`
	Errors    []fieldError    `json:"errors,omitempty"`
}

// problemType precedes the reason in the type of a problem.
const problemType = "urn:certbound:problem:"

func (f *refusal) write(w http.ResponseWriter, audience, requestID string) {
	a := f.public()
	if a.Status == http.StatusUnauthorized { // RFC 9110 §15.5.2 asks for a challenge; the verifier's own is better
		w.Header().Set("WWW-Authenticate", `Bearer realm="`+audience+`", error="invalid_token"`)
	}
	for name, values := range f.header {
		w.Header()[name] = values
	}
	if a.Status == http.StatusServiceUnavailable && w.Header().Get("Retry-After") == "" {
		w.Header().Set("Retry-After", "5")
	}
	writeJSON(w, a.Status, "application/problem+json", requestID, problemBody{
		Type: problemType + string(a.Public), Title: a.Description, Status: a.Status,
		Reason: a.Public, RequestID: requestID, Errors: f.errors,
	})
}

func writeJSON(w http.ResponseWriter, status int, mediaType, requestID string, body any) {
	text, err := json.Marshal(body)
	if err != nil { // bodies are structs of this package; a panic is answered by Recover
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
