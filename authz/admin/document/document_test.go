package document_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/certbound/certbound/authz/admin/document"
)

type inner struct {
	Keys []map[string]any `json:"keys"`
}

type body struct {
	ID    string   `json:"id"`
	Name  string   `json:"name,omitempty" maxLength:"5"`
	Count int      `json:"count,omitempty" minimum:"0"`
	On    bool     `json:"on,omitempty"`
	List  []string `json:"list,omitempty"`
	Inner *inner   `json:"inner,omitempty"`
}

type problem struct {
	Reason string `json:"reason"`
}

func newDocument() *document.Document {
	d := document.New("Test", "v1", "", problem{})
	d.Add(document.Operation{
		Method: "POST", Path: "/x/v1/bodies/{id}", ID: "post", Scopes: []string{"a"}, Body: body{}, Status: 201,
		Answers: []any{body{}}, Dry: problem{}, Tagged: true,
	})
	return d
}

func TestRead(t *testing.T) {
	d := newDocument()
	for text, want := range map[string][]document.Fault{
		`{"id":"a","name":"b","count":3,"list":["x"],"inner":{"keys":[{"any":{"thing":1}}]}}`: nil,
		`{"id":"a","name":null}`:                  nil,
		`{}`:                                      {{"/id", "is missing"}},
		`{"id":null}`:                             {{"/id", "expected string"}},
		`{"ID":"a"}`:                              {{"/ID", "is not known here"}, {"/id", "is missing"}},
		`{"id":"a","name":"123456","count":-1}`:   {{"/count", "expected number >= 0"}, {"/name", "expected length <= 5"}},
		`{"id":"a","count":1.5,"on":1}`:           {{"/count", "expected integer"}, {"/on", "expected boolean"}},
		`{"id":"a","list":[1]}`:                   {{"/list/0", "expected string"}},
		`{"id":"a","list":null}`:                  nil,
		`{"id":"a","inner":{"keys":["k"],"k":1}}`: {{"/inner/k", "is not known here"}, {"/inner/keys/0", "expected object"}},
		`{"id":"a","s3cret s3cret":1}`:            {{"", "has a member that is not known here"}},
		`[]`:                                      {{"", "expected object"}},
		`null`:                                    {{"", "expected object"}},
		`"hunter2"`:                               {{"", "expected object"}},
	} {
		var b body
		faults, _, err := d.Read([]byte(text), &b)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if diff := cmp.Diff(want, faults); diff != "" {
			t.Errorf("%s:\n%s", text, diff)
		}
	}
	for text, want := range map[string]error{
		``: document.ErrMalformed, `{`: document.ErrMalformed, `{"id":"a"} {}`: document.ErrMalformed,
		`{"id":"a","id":"b"}`: document.ErrMalformed, "{\"id\":\"\xff\"}": document.ErrMalformed,
		`{"id":"a","inner":{"keys":[{"a":1,"a":2}]}}`: document.ErrMalformed,
		strings.Repeat("[", 17):                       document.ErrTooDeep,
		`{"id":` + strings.Repeat("[", 60000):         document.ErrTooDeep,
	} {
		var b body
		if _, _, err := d.Read([]byte(text), &b); !errors.Is(err, want) {
			t.Errorf("%.40s: %v", text, err)
		}
	}
}

func TestMerge(t *testing.T) {
	d := newDocument()
	present := body{ID: "a", Name: "b", Count: 2, List: []string{"x", "y"}}
	for patch, want := range map[string]body{
		`{}`:                                  present,
		`{"name":null,"count":null}`:          {ID: "a", List: present.List},
		`{"list":["z"],"on":true}`:            {ID: "a", Name: "b", Count: 2, List: []string{"z"}, On: true},
		`{"inner":{"keys":[]},"name":"c"}`:    {ID: "a", Name: "c", Count: 2, List: present.List, Inner: &inner{Keys: []map[string]any{}}},
		`{"list":null,"name":null,"count":7}`: {ID: "a", Count: 7},
	} {
		got := body{Name: "stale"}
		faults, ok, err := d.Merge(present, []byte(patch), &got)
		if err != nil || !ok || faults != nil || cmp.Diff(want, got) != "" {
			t.Errorf("%s: %v %v %v %s", patch, faults, ok, err, cmp.Diff(want, got))
		}
	}
	for patch, want := range map[string]document.Fault{
		`{"nome":null}`: {"/nome", "is not known here"}, `{"nome":1}`: {"/nome", "is not known here"},
		`{"id":null}`: {"/id", "is missing"}, `[]`: {"", "must be an object"}, `{"list":{"x":1}}`: {"/list", "expected array"},
	} {
		var got body
		faults, _, err := d.Merge(present, []byte(patch), &got)
		if err != nil || len(faults) != 1 || faults[0] != want {
			t.Errorf("%s: %v %v", patch, faults, err)
		}
	}
	if present.Name != "b" || len(present.List) != 2 {
		t.Errorf("the present state was changed: %+v", present)
	}
}

func TestJSON(t *testing.T) {
	text, err := newDocument().JSON()
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			Responses map[string]any
			Security  []map[string][]string
		}
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	post := d.Paths["/x/v1/bodies/{id}"]["post"]
	if d.OpenAPI != "3.1.0" || len(post.Responses) != 3 || len(post.Security) != 1 || post.Security[0]["bound_token"][0] != "a" {
		t.Errorf("%s", text)
	}
}

// FuzzRead: what is accepted is what the type says, and a fault repeats nothing but
// names.
func FuzzRead(f *testing.F) {
	for _, text := range []string{`{"id":"a"}`, `{"id":1}`, `{"id":"a","inner":{"keys":[{}]}}`, `{"id":"a","list":[null]}`, `{`, `{"a.b[0]":1}`} {
		f.Add(text)
	}
	d := newDocument()
	f.Fuzz(func(t *testing.T, text string) {
		var b body
		faults, ok, err := d.Read([]byte(text), &b)
		if err != nil || len(faults) > 0 {
			return
		}
		if !ok || len([]rune(b.Name)) > 5 || b.Count < 0 {
			t.Errorf("%q was accepted as %+v", text, b)
		}
	})
}
