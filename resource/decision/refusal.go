package decision

import (
	"encoding/json"
	"net/http"
)

// Body is the one JSON body every refusal of both halves has.
type Body struct {
	Error            string `json:"error"`
	ErrorDescription string `json:"error_description"`
	Reason           Reason `json:"reason"`
	RequestID        string `json:"request_id"`
}

// WriteRefusal answers with a's status and the common body. Headers that belong
// to the protocol (WWW-Authenticate, Allow, Retry-After) are set by the caller
// before.
func WriteRefusal(w http.ResponseWriter, a Answer, requestID string) {
	body, err := json.Marshal(Body{a.Error, a.Description, a.Public, requestID})
	if err != nil { // four strings always marshal
		panic(err)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set(RequestIDHeader, requestID)
	w.WriteHeader(a.Status)
	_, _ = w.Write(append(body, '\n')) // the caller may be gone; there is nobody to tell
}
