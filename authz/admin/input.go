package admin

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4/json"
	"github.com/gorilla/mux"

	"github.com/certbound/certbound/authz/admin/refusal"
	"github.com/certbound/certbound/authz/registration"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/resource/decision"
)

// maxBody bounds the body of a request, in bytes, where the route says nothing else.
const maxBody = 64 << 10

// mergePatch is the media type of RFC 7396.
const mergePatch = "application/merge-patch+json"

// ReasonBody says why, for the audit event.
type ReasonBody struct {
	Reason string `json:"reason,omitempty" maxLength:"200"`
}

// checkReason looks at what the document cannot say of a reason; it goes into the audit
// trail.
func checkReason(reason string, bad *refusal.Invalid) {
	if registration.CheckName("reason", reason) != nil {
		bad.At("/reason", "has control or formatting characters")
	}
}

// reason reads the body {"reason": "…"}. A change that cannot be undone must have
// one; others may come without a body.
func (c *call) reason(required bool) (string, error) {
	all, err := c.texts("reason")
	if err == nil && required && all["reason"] == "" {
		var bad refusal.Invalid
		bad.Add("reason", "must say why")
		err = bad.Err()
	}
	return all["reason"], err
}

// memberCertificate is the member of a body that holds a certificate in PEM, which is
// judged by who reads it.
const memberCertificate = "certificate"

// texts reads a body of short texts, none of which has to be there.
func (c *call) texts(known ...string) (map[string]string, error) {
	data, err := c.body()
	if err != nil {
		return nil, err
	}
	var members map[string]json.RawMessage
	if len(data) > 0 {
		// go-jose's fork of encoding/json: names are case-sensitive and unique.
		if err := json.Unmarshal(data, &members); err != nil || members == nil {
			return nil, refusal.New(decision.RequestMalformed, "the body is not one JSON object with unique members")
		}
	}
	var bad refusal.Invalid
	all := map[string]string{}
	for name, raw := range members {
		text := ""
		switch {
		case !slices.Contains(known, name):
			bad.Add("body", "has a member other than "+strings.Join(known, ", "))
		case json.Unmarshal(raw, &text) != nil || raw[0] != '"':
			bad.Add(name, "must be a string")
		case name != memberCertificate && registration.CheckName(name, text) != nil:
			bad.Add(name, fmt.Sprintf("must be at most %d bytes without control or formatting characters", registration.MaxNameLength))
		}
		all[name] = text
	}
	return all, bad.Err()
}

// body reads a JSON body; none is an empty one.
func (c *call) body() ([]byte, error) {
	limit := int64(maxBody)
	if c.route != nil && c.route.doc.limit > 0 {
		limit = c.route.doc.limit
	}
	data, err := io.ReadAll(http.MaxBytesReader(c.w, c.Body, limit))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, refusal.New(decision.RequestTooLarge, err.Error())
	}
	if err != nil {
		return nil, refusal.New(decision.RequestMalformed, err.Error())
	}
	c.sent = data
	if len(data) == 0 {
		return nil, nil
	}
	wanted := "application/json"
	if c.Method == http.MethodPatch {
		wanted = mergePatch
	}
	media, _, err := mime.ParseMediaType(c.Header.Get("Content-Type"))
	if err != nil || media != wanted || len(c.Header.Values("Content-Type")) != 1 || c.Header.Get("Content-Encoding") != "" {
		f := refusal.New(refusal.MediaUnsupported, "the body must be "+wanted+", not compressed")
		f.Header = http.Header{"Accept": {wanted}}
		return nil, f
	}
	if !utf8.Valid(data) {
		return nil, refusal.New(decision.RequestMalformed, "the body is not UTF-8")
	}
	return data, nil
}

// id is the {id} of the path. Ids may hold what a path escapes.
func (c *call) id() (string, error) {
	id, err := url.PathUnescape(mux.Vars(c.Request)["id"])
	if err != nil || id == "" || !utf8.ValidString(id) {
		return "", refusal.New(decision.RequestMalformed, "the id in the path is not escaped right")
	}
	return id, nil
}

// thumbprint is the {x5t} of the path.
func (c *call) thumbprint() (thumbprint.Thumbprint, error) {
	t, err := thumbprint.Parse(mux.Vars(c.Request)["x5t"])
	if err != nil {
		var bad refusal.Invalid
		bad.Add("x5t", "must be an x5t#S256: 43 characters of base64url")
		return t, bad.Err()
	}
	return t, nil
}
