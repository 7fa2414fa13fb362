package document

import (
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// huma has these as variables of the package; nothing else in this module uses it.
func init() {
	huma.ValidateStrictCasing = true  // "ID" is not "id"
	huma.DefaultArrayNullable = false // an empty list is [], never null
}

const schemas = "#/components/schemas/"

// Names of the two proofs each request needs.
const (
	tokenScheme       = "bound_token"
	certificateScheme = "client_certificate"
)

// Document describes one API.
type Document struct {
	registry huma.Registry
	api      *huma.OpenAPI
}

// New returns a description without operations. Problem is a value of the body of
// every refusal.
func New(title, version, description string, problem any) *Document {
	registry := huma.NewMapRegistry(schemas, huma.DefaultSchemaNamer)
	d := &Document{registry: registry, api: &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info:    &huma.Info{Title: title, Version: version, Description: description},
		Components: &huma.Components{
			Schemas: registry,
			SecuritySchemes: map[string]*huma.SecurityScheme{
				tokenScheme:       {Type: "http", Scheme: "bearer", BearerFormat: "JWT", Description: "An access token for this API, bound to the client certificate of the connection (RFC 8705 §3)."},
				certificateScheme: {Type: "mutualTLS", Description: "The certificate of the stored administrator."},
			},
		},
	}}
	d.api.Components.Responses = map[string]*huma.Response{"Problem": {
		Description: "Refused. type and reason are stable, errors names each member or parameter.",
		Headers:     map[string]*huma.Param{"X-Request-Id": text("Names this request in the log and in the audit trail.")},
		Content:     map[string]*huma.MediaType{"application/problem+json": {Schema: d.schema(problem)}},
	}}
	return d
}

// Parameter is a query parameter or header of an operation.
type Parameter struct {
	Name, Description string
	Header            bool // in the header, not in the query
	Required          bool
	Kind              string // "integer", "boolean" or "", a string
}

// Operation is one method of one path.
type Operation struct {
	Method, Path string // "{name}" stands for a segment
	ID           string // unique
	Summary      string
	Description  string
	Scopes       []string // of the token; none: for everybody
	Parameters   []Parameter

	Body     any    // a value of the body's type; nil: none is taken
	Media    string // of the body; default application/json
	Optional bool   // the body may be left out
	Partial  bool   // the body is a merge patch (RFC 7396) of Body

	Status  int   // of the answer
	Answers []any // values of the types it may have; none: no body
	// Accepted is a value of the answer with status 202, where somebody else has to agree
	// first; nil: none.
	Accepted any
	Dry      any  // of the answer to a dry run, with status 200; nil: none
	Tagged   bool // the answer has an ETag
	Paged    bool // the answer has a Link to the next page
}

// Add describes one more operation.
func (d *Document) Add(op Operation) {
	o := &huma.Operation{
		Method: op.Method, Path: op.Path, OperationID: op.ID, Summary: op.Summary, Description: op.Description,
		Tags: []string{tag(op.Path)}, Parameters: d.parameters(op), RequestBody: d.body(op),
		Responses: map[string]*huma.Response{"default": {Ref: "#/components/responses/Problem"}},
	}
	answers := map[int][]any{op.Status: op.Answers}
	if op.Dry != nil {
		answers[200] = append(slices.Clone(answers[200]), op.Dry)
	}
	if op.Accepted != nil {
		answers[202] = []any{op.Accepted}
	}
	for status, values := range answers {
		o.Responses[strconv.Itoa(status)] = d.answer(op, values)
	}
	if len(op.Scopes) > 0 {
		o.Security = []map[string][]string{{tokenScheme: op.Scopes, certificateScheme: {}}}
	}
	d.api.AddOperation(o)
}

// tag is the noun of a path: what stands behind the version.
func tag(path string) string {
	parts := strings.Split(path, "/")
	return parts[min(3, len(parts)-1)]
}

func (d *Document) parameters(op Operation) (all []*huma.Param) {
	for segment := range strings.SplitSeq(op.Path, "/") {
		if name, ok := strings.CutPrefix(segment, "{"); ok {
			all = append(all, &huma.Param{
				Name: strings.TrimSuffix(name, "}"), In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString},
			})
		}
	}
	for _, p := range op.Parameters {
		one := &huma.Param{Name: p.Name, In: "query", Description: p.Description, Required: p.Required, Schema: &huma.Schema{Type: huma.TypeString}}
		if p.Header {
			one.In = "header"
		}
		if p.Kind != "" {
			one.Schema.Type = p.Kind
		}
		all = append(all, one)
	}
	return all
}

func (d *Document) body(op Operation) *huma.RequestBody {
	if op.Body == nil {
		return nil
	}
	schema := d.schema(op.Body)
	if op.Partial {
		schema = &huma.Schema{
			Type: huma.TypeObject, AdditionalProperties: true,
			Description: "A merge patch (RFC 7396) of " + strings.TrimPrefix(schema.Ref, schemas) + ": a member that is null is taken away, one that is absent stays, a list is replaced as a whole.",
		}
	}
	media := op.Media
	if media == "" {
		media = "application/json"
	}
	return &huma.RequestBody{Required: !op.Optional, Content: map[string]*huma.MediaType{media: {Schema: schema}}}
}

func (d *Document) answer(op Operation, values []any) *huma.Response {
	r := &huma.Response{Description: "Done.", Headers: map[string]*huma.Param{"X-Request-Id": text("Names this request in the log and in the audit trail.")}}
	if op.Tagged {
		r.Headers["ETag"] = text("The state of the record, for If-Match.")
	}
	if op.Paged {
		r.Headers["Link"] = text(`The next page, rel="next" (RFC 8288).`)
	}
	var all []*huma.Schema
	for _, value := range values {
		all = append(all, d.schema(value))
	}
	switch len(all) {
	case 0:
	case 1:
		r.Content = map[string]*huma.MediaType{"application/json": {Schema: all[0]}}
	default:
		r.Content = map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{AnyOf: all}}}
	}
	return r
}

func text(description string) *huma.Param {
	return &huma.Param{Description: description, Schema: &huma.Schema{Type: huma.TypeString}}
}

// schema is that of a value's type; structs become components.
func (d *Document) schema(value any) *huma.Schema {
	t := reflect.TypeOf(value)
	return d.registry.Schema(t, true, t.String())
}

// JSON is the document as it is served.
func (d *Document) JSON() ([]byte, error) { return d.api.MarshalJSON() }
