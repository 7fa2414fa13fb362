// Package contract holds the answers of an HTTP API against its own OpenAPI 3.1
// document: what a server does not document, or documents and does not do, is an
// error. It is imported by tests only and knows no server.
package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Contract is a document, ready to be held against.
type Contract struct {
	paths     []path
	responses map[string]response // components, by reference
	compiler  *jsonschema.Compiler
}

type path struct {
	template   string
	matches    *regexp.Regexp
	operations map[string]operation // by method
}

type operation struct {
	OperationID string
	Responses   map[string]response
	at          string // JSON pointer
}

type response struct {
	Ref     string `json:"$ref"`
	Headers map[string]any
	Content map[string]json.RawMessage
	at      string
}

// address is what the schemas refer to each other by.
const address = "https://contract.invalid/openapi.json"

// New reads a document.
func New(document []byte) (*Contract, error) {
	var d struct {
		OpenAPI    string
		Paths      map[string]map[string]operation
		Components struct{ Responses map[string]response }
	}
	if err := json.Unmarshal(document, &d); err != nil {
		return nil, fmt.Errorf("contract: %w", err)
	}
	if !strings.HasPrefix(d.OpenAPI, "3.1.") {
		return nil, fmt.Errorf("contract: the document is of OpenAPI %q, not 3.1", d.OpenAPI)
	}
	tree, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return nil, fmt.Errorf("contract: %w", err)
	}
	c := &Contract{responses: map[string]response{}, compiler: jsonschema.NewCompiler()}
	c.compiler.DefaultDraft(jsonschema.Draft2020)
	c.compiler.AssertFormat()
	if err := c.compiler.AddResource(address, tree); err != nil {
		return nil, fmt.Errorf("contract: %w", err)
	}
	for name, r := range d.Components.Responses {
		r.at = "/components/responses/" + name
		c.responses["#"+r.at] = r
	}
	ids := map[string]bool{}
	for template, operations := range d.Paths {
		p := path{template: template, matches: pattern(template), operations: map[string]operation{}}
		for method, o := range operations {
			if o.OperationID == "" || ids[o.OperationID] {
				return nil, fmt.Errorf("contract: %s %s: the operationId %q is missing or not unique", method, template, o.OperationID)
			}
			ids[o.OperationID] = true
			o.at = "/paths/" + escape(template) + "/" + method
			p.operations[strings.ToUpper(method)] = o
		}
		c.paths = append(c.paths, p)
	}
	// Fewer variables first: of two templates the more specific one is meant.
	slices.SortFunc(c.paths, func(a, b path) int { return strings.Count(a.template, "{") - strings.Count(b.template, "{") })
	return c, nil
}

var variable = regexp.MustCompile(`\\\{[^/]*\\\}`)

func pattern(template string) *regexp.Regexp {
	return regexp.MustCompile("^" + variable.ReplaceAllString(regexp.QuoteMeta(template), "[^/]+") + "$")
}

// escape writes a member of a JSON pointer, RFC 6901 §3.
func escape(s string) string {
	return url.PathEscape(strings.NewReplacer("~", "~0", "/", "~1").Replace(s))
}

// Operations returns the ids of all operations, for a test that wants to have seen
// each of them.
func (c *Contract) Operations() (ids []string) {
	for _, p := range c.paths {
		for _, o := range p.operations {
			ids = append(ids, o.OperationID)
		}
	}
	slices.Sort(ids)
	return ids
}

// Check holds one answer against the document and returns the id of its operation.
// Where the document knows no such path or method, the answer must be 404 or 405,
// and then the id is empty.
func (c *Contract) Check(method, requestPath string, status int, header http.Header, body []byte) (id string, err error) {
	fail := func(format string, args ...any) (string, error) {
		return id, fmt.Errorf("contract: %s %s: %d: "+format, append([]any{method, requestPath, status}, args...)...)
	}
	o, ok := c.find(method, requestPath)
	if !ok {
		if status != http.StatusNotFound && status != http.StatusMethodNotAllowed {
			return fail("the document has no such operation")
		}
		return "", nil
	}
	id = o.OperationID
	r, ok := c.response(o, status)
	if !ok {
		return fail("the document has no such status for %s", id)
	}
	if header.Get("X-Request-Id") == "" {
		return fail("no X-Request-Id")
	}
	for _, name := range []string{"ETag", "Link"} {
		if _, documented := r.Headers[name]; header.Get(name) != "" && !documented {
			return fail("the header %s is not documented", name)
		}
	}
	if len(r.Content) == 0 {
		if len(body) > 0 {
			return fail("there is a body and the document has none")
		}
		return id, nil
	}
	media, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		return fail("Content-Type: %v", err)
	}
	if _, ok := r.Content[media]; !ok {
		return fail("the document has no %s", media)
	}
	return id, c.body(r.at+"/content/"+escape(media)+"/schema", body)
}

func (c *Contract) find(method, requestPath string) (operation, bool) {
	for _, p := range c.paths {
		if o, ok := p.operations[method]; ok && p.matches.MatchString(requestPath) {
			return o, true
		}
	}
	return operation{}, false
}

func (c *Contract) response(o operation, status int) (response, bool) {
	key := strconv.Itoa(status)
	r, ok := o.Responses[key]
	if !ok {
		key = "default"
		if r, ok = o.Responses[key]; !ok || status < 400 {
			return r, false
		}
	}
	if r.Ref != "" {
		r, ok = c.responses[r.Ref]
		return r, ok
	}
	r.at = o.at + "/responses/" + key
	return r, true
}

func (c *Contract) body(at string, body []byte) error {
	schema, err := c.compiler.Compile(address + "#" + at)
	if err != nil {
		return fmt.Errorf("contract: the schema at %s: %w", at, err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("contract: the body is no JSON: %w", err)
	}
	if err := schema.Validate(value); err != nil {
		return fmt.Errorf("contract: %w\n%s", err, body)
	}
	return nil
}
