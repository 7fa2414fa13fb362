// Package listing reads the query of a list and answers a page of it. Paging is by
// key: a page ends at a place, not at a number, so that what is registered meanwhile
// moves nothing.
package listing

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/certbound/certbound/authz/admin/refusal"
	"github.com/certbound/certbound/resource/decision"
)

// Sizes of a page, in records.
const (
	usual = 50
	most  = 500
)

// maxValue bounds a parameter, in bytes.
const maxValue = 512

// FromLink is what is wrong with a place that no page gave.
const FromLink = "must come from the Link of a page"

// Query is the query of a request. What is wrong with its parameters gathers in Bad.
type Query struct {
	Bad    refusal.Invalid
	path   string
	values url.Values
}

// Read reads the query of r. Unknown and repeated parameters are errors: a filter that
// is overlooked would show what was not asked for.
func Read(r *http.Request, known ...string) (*Query, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, refusal.New(decision.RequestMalformed, "the query is not escaped right")
	}
	q := &Query{path: r.URL.Path, values: values}
	for name, all := range values {
		switch {
		case !slices.Contains(known, name) && len(known) == 0:
			q.Bad.Add("query", "has a parameter, and none is known here")
		case !slices.Contains(known, name):
			q.Bad.Add("query", "has a parameter that this list does not know; it knows "+strings.Join(known, ", "))
		case len(all) > 1:
			q.Bad.Add(name, "is given more than once")
		case all[0] == "":
			q.Bad.Add(name, "has no value; leave it out to select all")
		case len(all[0]) > maxValue || !utf8.ValidString(all[0]):
			q.Bad.Add(name, "is too long or not UTF-8")
		}
	}
	slices.SortFunc(q.Bad, func(a, b refusal.FieldError) int { return strings.Compare(a.Field, b.Field) })
	return q, nil
}

// Text is a parameter, "" when it is not there.
func (q *Query) Text(name string) string { return q.values.Get(name) }

// limit is the size of a page.
func (q *Query) limit() int {
	text := q.Text("limit")
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		q.Bad.Add("limit", fmt.Sprintf("must be 1 to %d", most))
		return usual
	}
	return n
}

// Time is a parameter that is a time of RFC 3339, in UTC; zero when it is not there.
func (q *Query) Time(name string) time.Time {
	text := q.Text(name)
	if text == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		q.Bad.Add(name, "must be a time of RFC 3339, such as 2026-01-02T15:04:05Z")
	}
	return t.UTC()
}

// next is the address of the next page, relative to this one's origin (RFC 8288
// §3.1 allows that, and no proxy in between can make it wrong).
func (q *Query) next(name, place string) string {
	values := url.Values{}
	for k, v := range q.values {
		values[k] = v
	}
	values.Set(name, place)
	return q.path + "?" + values.Encode()
}

// Page is some of the records of a list; Next is the address of those behind, empty on
// the last page.
type Page[T any] struct {
	Records []T
	Next    string
}

// Fetch answers one page. It asks for one record more than wanted, to know whether
// there is another page; place says where a record is, for the parameter (named by at)
// of the next one. What is wrong with the query ends it before anything is fetched.
func Fetch[T any](q *Query, at string, fetch func(limit int) ([]T, error), place func(*T) string) (Page[T], error) {
	limit := q.limit()
	if err := q.Bad.Err(); err != nil {
		return Page[T]{}, err
	}
	found, err := fetch(limit + 1)
	if err != nil || len(found) <= limit {
		return Page[T]{Records: found}, err
	}
	return Page[T]{Records: found[:limit], Next: q.next(at, place(&found[limit-1]))}, nil
}
