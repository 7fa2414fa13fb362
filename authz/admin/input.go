package admin

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4/json"
	"github.com/gorilla/mux"

	"github.com/certbound/certbound/authz/admin/document"
	"github.com/certbound/certbound/authz/registration"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/resource/decision"
)

// maxBody bounds the body of a request, in bytes, where the route says nothing else.
const maxBody = 64 << 10

// mergePatch is the media type of RFC 7396.
const mergePatch = "application/merge-patch+json"

// invalid collects what is wrong with members and parameters; values are never
// repeated, since a caller may have put a secret in the wrong place.
type invalid []fieldError

func (i *invalid) add(field, detail string) {
	*i = append(*i, fieldError{Field: field, Detail: detail})
}

// at notes what is wrong at a member of the body.
func (i *invalid) at(pointer, detail string) {
	field := strings.ReplaceAll(strings.TrimPrefix(pointer, "/"), "/", ".")
	if field == "" {
		field = "body"
	}
	*i = append(*i, fieldError{Field: field, Pointer: pointer, Detail: detail})
}

// faults adds what the rules of records say. A member of which something has been
// said already is not mentioned again.
func (i *invalid) faults(all registration.Faults) {
	said := slices.Clone(*i)
	for _, f := range all {
		pointer := document.Pointer(f.Member)
		if !slices.ContainsFunc(said, func(e fieldError) bool { return e.Pointer == pointer && pointer != "" }) {
			i.at(pointer, quoted.ReplaceAllString(f.Text(), `"…"`))
		}
	}
}

// quoted finds what messages repeat of the input; a seed's author may see it, an
// answer leaves it out.
var quoted = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

func (i invalid) refusal() *refusal {
	if len(i) == 0 {
		return nil
	}
	return &refusal{reason: InputInvalid, errors: i}
}

// reason reads the body {"reason": "…"}. A change that cannot be undone must have
// one; others may come without a body.
func (c *call) reason(required bool) (string, *refusal) {
	all, f := c.texts("reason")
	if f == nil && required && all["reason"] == "" {
		var bad invalid
		bad.add("reason", "must say why")
		f = bad.refusal()
	}
	return all["reason"], f
}

// texts reads a body of short texts, none of which has to be there.
func (c *call) texts(known ...string) (map[string]string, *refusal) {
	data, f := c.body()
	if f != nil {
		return nil, f
	}
	var members map[string]json.RawMessage
	if len(data) > 0 {
		// go-jose's fork of encoding/json: names are case-sensitive and unique.
		if err := json.Unmarshal(data, &members); err != nil || members == nil {
			return nil, refuse(decision.RequestMalformed, "the body is not one JSON object with unique members")
		}
	}
	var bad invalid
	all := map[string]string{}
	for name, raw := range members {
		text := ""
		switch {
		case !slices.Contains(known, name):
			bad.add("body", "has a member other than "+strings.Join(known, ", "))
		case json.Unmarshal(raw, &text) != nil || raw[0] != '"':
			bad.add(name, "must be a string")
		case registration.CheckName(name, text) != nil:
			bad.add(name, fmt.Sprintf("must be at most %d bytes without control characters", registration.MaxNameLength))
		}
		all[name] = text
	}
	return all, bad.refusal()
}

// body reads a JSON body; none is an empty one.
func (c *call) body() ([]byte, *refusal) {
	limit := int64(maxBody)
	if c.route != nil && c.route.doc.limit > 0 {
		limit = c.route.doc.limit
	}
	data, err := io.ReadAll(http.MaxBytesReader(c.w, c.Body, limit))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, refuse(decision.RequestTooLarge, err.Error())
	}
	if err != nil {
		return nil, refuse(decision.RequestMalformed, err.Error())
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
		f := refuse(MediaUnsupported, "the body must be "+wanted+", not compressed")
		f.header = http.Header{"Accept": {wanted}}
		return nil, f
	}
	if !utf8.Valid(data) {
		return nil, refuse(decision.RequestMalformed, "the body is not UTF-8")
	}
	return data, nil
}

// id is the {id} of the path. Ids may hold what a path escapes.
func (c *call) id() (string, *refusal) {
	id, err := url.PathUnescape(mux.Vars(c.Request)["id"])
	if err != nil || id == "" || !utf8.ValidString(id) {
		return "", refuse(decision.RequestMalformed, "the id in the path is not escaped right")
	}
	return id, nil
}

// thumbprint is the {x5t} of the path.
func (c *call) thumbprint() (thumbprint.Thumbprint, *refusal) {
	t, err := thumbprint.Parse(mux.Vars(c.Request)["x5t"])
	if err != nil {
		var bad invalid
		bad.add("x5t", "must be an x5t#S256: 43 characters of base64url")
		return t, bad.refusal()
	}
	return t, nil
}

// query reads the query of a list. Unknown and repeated parameters are errors: a
// filter that is overlooked would show what was not asked for.
type query struct {
	values url.Values
	bad    invalid
}

func newQuery(r *http.Request, known ...string) (*query, *refusal) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, refuse(decision.RequestMalformed, "the query is not escaped right")
	}
	q := &query{values: values}
	for name, all := range values {
		switch {
		case !slices.Contains(known, name):
			q.bad.add("query", "has a parameter that this list does not know; it knows "+strings.Join(known, ", "))
		case len(all) > 1:
			q.bad.add(name, "is given more than once")
		case all[0] == "":
			q.bad.add(name, "has no value; leave it out to select all")
		case len(all[0]) > 512 || !utf8.ValidString(all[0]):
			q.bad.add(name, "is too long or not UTF-8")
		}
	}
	slices.SortFunc(q.bad, func(a, b fieldError) int { return strings.Compare(a.Field, b.Field) })
	return q, nil
}

func (q *query) text(name string) string { return q.values.Get(name) }

// limit is the size of a page.
func (q *query) limit() int {
	const usual, most = 50, 500
	text := q.text("limit")
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		q.bad.add("limit", fmt.Sprintf("must be 1 to %d", most))
		return usual
	}
	return n
}

func (q *query) time(name string) time.Time {
	text := q.text(name)
	if text == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		q.bad.add(name, "must be a time of RFC 3339, such as 2026-01-02T15:04:05Z")
	}
	return t.UTC()
}

// next is the address of the next page, relative to this one's origin (RFC 8288
// §3.1 allows that, and no proxy in between can make it wrong).
func (q *query) next(path, name, value string) string {
	values := url.Values{}
	for k, v := range q.values {
		values[k] = v
	}
	values.Set(name, value)
	return path + "?" + values.Encode()
}
