package contract_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/certbound/certbound/conformance/contract"
)

const document = `{"openapi":"3.1.0","paths":{
 "/things/{id}":{"get":{"operationId":"get","responses":{
   "200":{"headers":{"ETag":{}},"content":{"application/json":{"schema":{"$ref":"#/components/schemas/Thing"}}}},
   "default":{"$ref":"#/components/responses/Problem"}}},
  "delete":{"operationId":"delete","responses":{"204":{}}}},
 "/things/first":{"get":{"operationId":"first","responses":{"200":{}}}}},
 "components":{"responses":{"Problem":{"content":{"application/problem+json":{"schema":{"type":"object","required":["reason"]}}}}},
  "schemas":{"Thing":{"type":"object","additionalProperties":false,"required":["at"],"properties":{"at":{"type":"string","format":"date-time"}}}}}}`

func TestCheck(t *testing.T) {
	c, err := contract.New([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	if ids := strings.Join(c.Operations(), " "); ids != "delete first get" {
		t.Errorf("operations %q", ids)
	}
	header := func(values ...string) http.Header {
		h := http.Header{"X-Request-Id": {"r"}}
		for i := 0; i < len(values); i += 2 {
			h.Set(values[i], values[i+1])
		}
		return h
	}
	good := header("Content-Type", "application/json", "ETag", `"1"`)
	problem := header("Content-Type", "application/problem+json")
	for name, tt := range map[string]struct {
		method, path string
		status       int
		header       http.Header
		body, want   string
	}{
		"good":                   {"GET", "/things/1", 200, good, `{"at":"2026-01-02T03:04:05Z"}`, ""},
		"more specific":          {"GET", "/things/first", 200, header(), ``, ""},
		"no content":             {"DELETE", "/things/1", 204, header(), ``, ""},
		"a problem":              {"GET", "/things/1", 404, problem, `{"reason":"x"}`, ""},
		"unknown path":           {"GET", "/other", 404, problem, `{"reason":"x"}`, ""},
		"unknown path, served":   {"GET", "/other", 200, good, `{}`, "no such operation"},
		"undocumented member":    {"GET", "/things/1", 200, good, `{"at":"2026-01-02T03:04:05Z","x":1}`, "additional properties"},
		"missing member":         {"GET", "/things/1", 200, good, `{}`, "missing property"},
		"not a time":             {"GET", "/things/1", 200, good, `{"at":"today"}`, "date-time"},
		"undocumented status":    {"GET", "/things/1", 201, good, `{}`, "no such status"},
		"undocumented refusal":   {"DELETE", "/things/1", 409, problem, `{"reason":"x"}`, "no such status"},
		"undocumented header":    {"GET", "/things/1", 200, header("Content-Type", "application/json", "Link", "<x>"), `{}`, "Link is not documented"},
		"undocumented type":      {"GET", "/things/1", 200, problem, `{}`, "no application/problem+json"},
		"a body that is none":    {"DELETE", "/things/1", 204, header(), `{}`, "the document has none"},
		"no JSON":                {"GET", "/things/1", 200, good, `{`, "no JSON"},
		"no request id":          {"GET", "/things/1", 200, http.Header{}, `{}`, "X-Request-Id"},
		"a problem of its own":   {"GET", "/things/1", 404, problem, `{}`, "missing property"},
		"no content type at all": {"GET", "/things/1", 200, header(), `{}`, "Content-Type"},
	} {
		_, err := c.Check(tt.method, tt.path, tt.status, tt.header, []byte(tt.body))
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, bad := range []string{`{`, `{"openapi":"3.0.3"}`, `{"openapi":"3.1.0","paths":{"/a":{"get":{}}}}`} {
		if _, err := contract.New([]byte(bad)); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
}
