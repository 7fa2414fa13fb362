package oauth

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/certbound/certbound/resource/decision"
)

// MaxFormBytes bounds the body of a request to the authorization server. The
// longest honest one is a token of 8 KiB to be introspected.
const MaxFormBytes = 16 << 10

const formMediaType = "application/x-www-form-urlencoded"

// Form holds the parameters of one request. Those of a POST are taken from the
// body only: what stands in its URI is never a parameter (RFC 6749 §2.3.1).
type Form struct{ values url.Values }

// ParseForm reads a form by the rules of RFC 6749 §3.2 and appendix B: the one
// media type, UTF-8, each parameter at most once. It reports request_malformed,
// parameter_repeated or request_too_large.
//
// resource is the exception to "once": RFC 8707 §2 allows it to repeat, and an
// endpoint that takes one only has an error code of its own for that.
func ParseForm(w http.ResponseWriter, r *http.Request) (Form, *Error) {
	if problem := checkMediaType(r.Header.Values("Content-Type")); problem != "" {
		return Form{}, Refuse(decision.RequestMalformed, problem)
	}
	if len(r.Header.Values("Content-Encoding")) > 0 {
		return Form{}, Refuse(decision.RequestMalformed, "the form must not be compressed")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxFormBytes))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return Form{}, RefuseFor(decision.RequestTooLarge, err)
	}
	if err != nil {
		return Form{}, RefuseFor(decision.RequestMalformed, err)
	}
	return parseForm(string(body))
}

// ParseQuery reads the parameters of a GET by the same rules. It is for endpoints
// whose parameters are no secrets: URIs end up in logs.
func ParseQuery(r *http.Request) (Form, *Error) { return parseForm(r.URL.RawQuery) }

func parseForm(body string) (Form, *Error) {
	values, err := url.ParseQuery(body)
	if err != nil {
		return Form{}, RefuseFor(decision.RequestMalformed, err)
	}
	for name, all := range values {
		if !utf8.ValidString(name) {
			return Form{}, Refuse(decision.RequestMalformed, "a parameter name is not UTF-8")
		}
		if len(all) > 1 && name != ParamResource {
			return Form{}, Refuse(decision.ParameterRepeated, "repeated parameter "+quoteName(name))
		}
		for _, value := range all {
			if !utf8.ValidString(value) {
				return Form{}, Refuse(decision.RequestMalformed, "the value of "+quoteName(name)+" is not UTF-8")
			}
		}
	}
	return Form{values}, nil
}

// checkMediaType returns what is wrong with the Content-Type, or "".
func checkMediaType(headers []string) string {
	if len(headers) != 1 {
		return "exactly one Content-Type header is needed: " + formMediaType
	}
	media, params, err := mime.ParseMediaType(headers[0])
	if err != nil || media != formMediaType {
		return "the Content-Type must be " + formMediaType
	}
	for name, value := range params {
		if name == "charset" && !strings.EqualFold(value, "utf-8") {
			return "the form must be UTF-8"
		}
	}
	return ""
}

// quoteName bounds and cleans a name for the operator's log.
func quoteName(name string) string {
	const longest = 40
	if len(name) > longest {
		name = name[:longest] + "…"
	}
	return `"` + name + `"`
}

// Get returns the value of a parameter. A parameter without a value is treated
// as if it were omitted, RFC 6749 §3.2.
func (f Form) Get(name string) string { return f.values.Get(name) }

// All returns the non-empty values of a parameter that may repeat.
func (f Form) All(name string) []string {
	var all []string
	for _, value := range f.values[name] {
		if value != "" {
			all = append(all, value)
		}
	}
	return all
}
