package oauth

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/certbound/certbound/resource/decision"
)

func TestParseForm(t *testing.T) {
	const form = "application/x-www-form-urlencoded"
	for _, c := range []struct {
		name        string
		contentType []string
		body        string
		want        decision.Reason // empty: accepted
	}{
		{"plain", []string{form}, "grant_type=client_credentials&client_id=a", ""},
		{"charset", []string{form + ";charset=UTF-8"}, "a=b", ""},
		{"upper-case media type", []string{"Application/X-WWW-Form-URLEncoded"}, "a=b", ""},
		{"plus and escapes", []string{form}, "scope=a+b%20c", ""},
		{"unknown parameter", []string{form}, "foo=bar", ""},
		{"resource may repeat", []string{form}, "resource=a&resource=b", ""},
		{"empty body", []string{form}, "", ""},

		{"no content type", nil, "a=b", decision.RequestMalformed},
		{"two content types", []string{form, form}, "a=b", decision.RequestMalformed},
		{"json", []string{"application/json"}, `{"a":"b"}`, decision.RequestMalformed},
		{"multipart", []string{"multipart/form-data; boundary=x"}, "--x--", decision.RequestMalformed},
		{"text", []string{"text/plain"}, "a=b", decision.RequestMalformed},
		{"other charset", []string{form + "; charset=utf-16"}, "a=b", decision.RequestMalformed},
		{"broken media type", []string{form + "; ;;"}, "a=b", decision.RequestMalformed},
		{"bad escape", []string{form}, "a=%zz", decision.RequestMalformed},
		{"semicolon", []string{form}, "a=b;c=d", decision.RequestMalformed},
		{"value not UTF-8", []string{form}, "a=%ff", decision.RequestMalformed},
		{"name not UTF-8", []string{form}, "%ff=a", decision.RequestMalformed},
		{"repeated", []string{form}, "scope=a&scope=b", decision.ParameterRepeated},
		{"repeated in another spelling", []string{form}, "scope=a&%73cope=b", decision.ParameterRepeated},
		{"repeated unknown", []string{form}, "foo=a&foo=a", decision.ParameterRepeated},
		{"repeated without value", []string{form}, "scope=&scope=a", decision.ParameterRepeated},
		{"too large", []string{form}, "a=" + strings.Repeat("x", MaxFormBytes), decision.RequestTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "/?client_id=in-the-uri", strings.NewReader(c.body))
			r.Header["Content-Type"] = c.contentType
			parsed, refusal := ParseForm(httptest.NewRecorder(), r)
			switch {
			case c.want == "" && refusal != nil:
				t.Fatalf("refused: %v", refusal)
			case c.want != "" && refusal == nil:
				t.Fatalf("accepted, want %s", c.want)
			case c.want != "" && refusal.Reason != c.want:
				t.Fatalf("reason %s, want %s", refusal.Reason, c.want)
			}
			if parsed.Get("client_id") == "in-the-uri" {
				t.Error("a parameter was read from the URI")
			}
		})
	}
}

func TestFormValues(t *testing.T) {
	form, refusal := parseForm("empty=&scope=a+b&resource=x&resource=&resource=y")
	if refusal != nil {
		t.Fatal(refusal)
	}
	if form.Get("scope") != "a b" || form.Get("empty") != "" || form.Get("absent") != "" {
		t.Errorf("Get: %q %q", form.Get("scope"), form.Get("empty"))
	}
	if got := form.All("resource"); !slices.Equal(got, []string{"x", "y"}) {
		t.Errorf("All = %v", got)
	}
}

// TestParseQuery: the rules of the form, for a URI.
func TestParseQuery(t *testing.T) {
	for query, want := range map[string]decision.Reason{
		"client_id=a&after=1": "", "": "", "client_id=a&client_id=a": decision.ParameterRepeated,
		"a=%zz": decision.RequestMalformed, "a=%ff": decision.RequestMalformed, "a=b;c=d": decision.RequestMalformed,
	} {
		form, refusal := ParseQuery(&http.Request{URL: &url.URL{RawQuery: query}})
		if (refusal == nil) != (want == "") || refusal != nil && refusal.Reason != want {
			t.Errorf("%q: %+v, want %q", query, refusal, want)
		}
		if want == "" && query != "" && form.Get("client_id") != "a" {
			t.Errorf("%q: client_id %q", query, form.Get("client_id"))
		}
	}
}

func FuzzParseForm(f *testing.F) {
	for _, seed := range []string{"a=b", "a=b&a=c", "a=%", "a=%ff", "resource=a&resource=b", "a;b", "=&=", "scope=%20+"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		form, refusal := parseForm(body)
		if refusal != nil {
			return
		}
		reference, err := url.ParseQuery(body)
		if err != nil {
			t.Fatalf("accepted what net/url refuses: %v", err)
		}
		for name, values := range reference {
			if len(values) > 1 && name != ParamResource {
				t.Fatalf("accepted repeated %q", name)
			}
			if !utf8.ValidString(name) || !utf8.ValidString(form.Get(name)) {
				t.Fatal("accepted invalid UTF-8")
			}
		}
	})
}

func TestParseScope(t *testing.T) {
	for _, c := range []struct {
		scope string
		want  []string
		bad   bool
	}{
		{"", nil, false},
		{"a", []string{"a"}, false},
		{"b a b", []string{"a", "b"}, false},
		{"!#[]~", []string{"!#[]~"}, false},
		{"A a", []string{"A", "a"}, false},
		{" a", nil, true},
		{"a ", nil, true},
		{"a  b", nil, true},
		{" ", nil, true},
		{"a\tb", nil, true},
		{"a\nb", nil, true},
		{`a"b`, nil, true},
		{`a\b`, nil, true},
		{"ä", nil, true},
		{"a\u00a0b", nil, true},
		{"a\x7f", nil, true},
		{"a\x00", nil, true},
	} {
		got, refusal := ParseScope(c.scope)
		if (refusal != nil) != c.bad || !slices.Equal(got, c.want) {
			t.Errorf("ParseScope(%q) = %q, %v", c.scope, got, refusal)
		}
		if refusal != nil && refusal.Reason != decision.ScopeNotGranted {
			t.Errorf("ParseScope(%q): reason %s", c.scope, refusal.Reason)
		}
	}
}

func FuzzParseScope(f *testing.F) {
	for _, seed := range []string{"", "a b", "  ", "a\"", "\xff", "a b a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, scope string) {
		tokens, refusal := ParseScope(scope)
		if refusal != nil {
			return
		}
		again, refusal := ParseScope(strings.Join(tokens, " "))
		if refusal != nil || !slices.Equal(tokens, again) {
			t.Fatalf("%q parsed to %q, which parses to %q (%v)", scope, tokens, again, refusal)
		}
	})
}

func TestValidClientID(t *testing.T) {
	for id, want := range map[string]bool{
		"acme-billing": true, "https://rp.example/x": true, "~": true, strings.Repeat("a", MaxClientIDLength): true,
		"": false, "a b": false, "a\x00": false, "a\n": false, "ä": false, strings.Repeat("a", MaxClientIDLength+1): false,
	} {
		if ValidClientID(id) != want {
			t.Errorf("ValidClientID(%q) = %v", id, !want)
		}
	}
}

func TestErrorAnswers(t *testing.T) {
	cause := errors.New("the disk is gone")
	for _, c := range []struct {
		name   string
		err    *Error
		status int
		code   string
		public decision.Reason
	}{
		{"as it is", Refuse(decision.GrantUnsupported, ""), 400, "unsupported_grant_type", decision.GrantUnsupported},
		{"hidden", Refuse(decision.SubjectMismatch, "secret detail"), 401, "invalid_client", decision.ClientAuthenticationFailed},
		{"challenge makes it a 401", &Error{Reason: decision.MultipleCredentials, Challenge: "Basic"}, 401, "invalid_client", decision.ClientAuthenticationFailed},
		{"no challenge on our own failure", &Error{Reason: decision.StorageUnavailable, Challenge: "Basic"}, 503, "temporarily_unavailable", decision.StorageUnavailable},
		{"a reason of the other half", RefuseFor(decision.ThumbprintMismatch, cause), 500, "server_error", decision.InternalError},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := c.err.Answer()
			if a.Status != c.status || a.Error != c.code || a.Public != c.public {
				t.Errorf("answer %d %s %s, want %d %s %s", a.Status, a.Error, a.Public, c.status, c.code, c.public)
			}
			w := httptest.NewRecorder()
			WriteError(w, c.err, "id")
			if strings.Contains(w.Body.String(), "secret detail") || strings.Contains(w.Body.String(), "disk") {
				t.Error("the operator's detail reached the caller")
			}
		})
	}
}
