package admin

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4/json"
	"github.com/gorilla/mux"

	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/resource/decision"
)

// maxBody bounds the body of a request.
const maxBody = 64 << 10

// invalid collects what is wrong with members and parameters; values are never
// repeated, since a caller may have put a secret in the wrong place.
type invalid []fieldError

func (i *invalid) add(field, detail string) { *i = append(*i, fieldError{field, detail}) }

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
		case checkName(name, text) != nil:
			bad.add(name, fmt.Sprintf("must be at most %d bytes without control characters", maxNameLength))
		}
		all[name] = text
	}
	return all, bad.refusal()
}

// body reads a JSON body; none is an empty one.
func (c *call) body() ([]byte, *refusal) {
	data, err := io.ReadAll(http.MaxBytesReader(c.w, c.Body, maxBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, refuse(decision.RequestTooLarge, err.Error())
	}
	if err != nil {
		return nil, refuse(decision.RequestMalformed, err.Error())
	}
	if len(data) == 0 {
		return nil, nil
	}
	media, _, err := mime.ParseMediaType(c.Header.Get("Content-Type"))
	if err != nil || media != "application/json" || len(c.Header.Values("Content-Type")) != 1 || c.Header.Get("Content-Encoding") != "" {
		return nil, refuse(decision.RequestMalformed, "the body must be application/json, not compressed")
	}
	if !utf8.Valid(data) {
		return nil, refuse(decision.RequestMalformed, "the body is not UTF-8")
	}
	return data, nil
}

// clientID is the {id} of the path. Ids may hold what a path escapes.
func (c *call) clientID() (string, *refusal) {
	id, err := url.PathUnescape(mux.Vars(c.Request)["id"])
	if err != nil || id == "" {
		return "", refuse(decision.RequestMalformed, "the client id in the path is not escaped right")
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
