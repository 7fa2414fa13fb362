package listing

import (
	"errors"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/certbound/certbound/authz/admin/refusal"
)

func read(t *testing.T, query string, known ...string) (*Query, error) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/list", nil)
	r.URL.RawQuery = query
	return Read(r, known...)
}

func fields(err error) string {
	var f *refusal.Refusal
	if !errors.As(err, &f) {
		return ""
	}
	names := []string{}
	for _, e := range f.Errors {
		names = append(names, e.Field)
	}
	return strings.Join(names, " ")
}

func TestQuery(t *testing.T) {
	for _, tt := range []struct{ query, bad string }{
		{"", ""},
		{"limit=500&since=2026-01-02T15:04:05Z&name=x", ""},
		{"limit=0", "limit"},
		{"limit=501", "limit"},
		{"limit=x", "limit"},
		{"since=yesterday", "since"},
		{"name=", "name"},
		{"name=a&name=b", "name"},
		{"name=%ff", "name"},
		{"name=" + strings.Repeat("x", maxValue+1), "name"},
		{"nmae=x&limit=1", "query"},
		{"name=&limit=-1&since=x", "name since limit"},
	} {
		q, err := read(t, tt.query, "limit", "since", "name")
		if err != nil {
			t.Fatal(err)
		}
		q.Time("since")
		called := false
		_, err = Fetch(q, "after", func(int) ([]int, error) { called = true; return nil, nil }, place)
		if got := fields(err); got != tt.bad || called != (tt.bad == "") {
			t.Errorf("%s: %q, fetched %t", tt.query, got, called)
		}
	}
	if _, err := read(t, "a=%zz"); err == nil {
		t.Error("a query that is not escaped")
	}
	if q, err := read(t, "a=b"); err != nil || len(q.Bad) != 1 || q.Bad[0].Detail != "has a parameter, and none is known here" {
		t.Errorf("%+v %v", q, err)
	}
}

// TestFetch follows the links of a list through all its records.
func TestFetch(t *testing.T) {
	all := []int{10, 20, 30, 40, 50}
	seen, query := []int{}, "limit=2&name=x"
	for range 5 {
		q, err := read(t, query, "limit", "after", "name")
		if err != nil {
			t.Fatal(err)
		}
		page, err := Fetch(q, "after", func(limit int) (found []int, err error) {
			after, _ := strconv.Atoi(q.Text("after"))
			for _, n := range all {
				if n > after && len(found) < limit {
					found = append(found, n)
				}
			}
			return found, nil
		}, place)
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, page.Records...)
		if page.Next == "" {
			break
		}
		next, err := url.Parse(page.Next)
		if err != nil || next.Path != "/list" || next.Query().Get("name") != "x" || next.Query().Get("limit") != "2" {
			t.Fatalf("%s %v", page.Next, err)
		}
		query = next.RawQuery
	}
	if len(seen) != len(all) || seen[4] != 50 {
		t.Errorf("%v", seen)
	}
	q, _ := read(t, "")
	if _, err := Fetch(q, "after", func(int) ([]int, error) { return nil, errors.New("away") }, place); err == nil {
		t.Error("the store's error is lost")
	}
}

func place(n *int) string { return strconv.Itoa(*n) }
