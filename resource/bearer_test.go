package resource_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/certbound/certbound/resource/decision"
)

func TestAuthorizationHeader(t *testing.T) {
	b := newBench(t)
	token := b.token(b.acme)
	for _, tt := range []struct {
		name   string
		values []string
		want   decision.Reason
	}{
		{"Bearer", []string{"Bearer " + token}, ""},
		{"bearer", []string{"bearer " + token}, ""},
		{"BEARER", []string{"BEARER " + token}, ""},
		{"several blanks", []string{"Bearer   " + token}, ""},
		{"none", nil, decision.TokenMissing},
		{"empty", []string{""}, decision.TokenMissing},
		{"another scheme", []string{"Basic YTpi"}, decision.TokenMissing},
		{"DPoP", []string{"DPoP " + token}, decision.TokenMissing},
		{"no scheme", []string{token}, decision.TokenMissing},
		{"no blank", []string{"Bearer" + token}, decision.TokenMissing},
		{"a tab", []string{"Bearer\t" + token}, decision.TokenMissing},
		{"a Kelvin-like look-alike", []string{"Вearer " + token}, decision.TokenMissing},
		{"scheme only", []string{"Bearer"}, decision.TokenMalformed},
		{"scheme and blank", []string{"Bearer "}, decision.TokenMalformed},
		{"two tokens", []string{"Bearer " + token + " " + token}, decision.TokenMalformed},
		{"a list", []string{"Bearer " + token + ", Bearer " + token}, decision.TokenMalformed},
		{"a comma", []string{"Bearer " + token + ","}, decision.TokenMalformed},
		{"quoted", []string{`Bearer "` + token + `"`}, decision.TokenMalformed},
		{"a parameter", []string{"Bearer token=" + token}, decision.TokenMalformed},
		{"blank behind", []string{"Bearer " + token + " "}, decision.TokenMalformed},
		{"equals in the middle", []string{"Bearer " + strings.Replace(token, ".", "=.", 1)}, decision.TokenMalformed},
		{"equals alone", []string{"Bearer ="}, decision.TokenMalformed},
		{"percent", []string{"Bearer " + strings.Replace(token, ".", "%2E", 1)}, decision.TokenMalformed},
		{"not ASCII", []string{"Bearer " + token + "é"}, decision.TokenMalformed},
		{"NUL", []string{"Bearer " + token + "\x00"}, decision.TokenMalformed},
		{"an opaque token", []string{"Bearer mF_9.B5f-4.1JqM~+/=="}, decision.TokenMalformed},
		{"too long", []string{"Bearer " + strings.Repeat("a", 100_000)}, decision.TokenMalformed},
		{"30 000 dots", []string{"Bearer " + strings.Repeat(".", 30_000)}, decision.TokenMalformed},
		{"the same twice", []string{"Bearer " + token, "Bearer " + token}, decision.RequestMalformed},
		{"Basic beside it", []string{"Basic YTpi", "Bearer " + token}, decision.RequestMalformed},
		{"an empty one beside it", []string{"Bearer " + token, ""}, decision.RequestMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := request("", &b.acme)
			r.Header["Authorization"] = tt.values
			_, err := b.verifier.VerifyRequest(r)
			if got := reason(t, err); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestOtherPlacesForTokens: the header is the only place (RFC 6750 §2).
func TestOtherPlacesForTokens(t *testing.T) {
	b := newBench(t)
	token := b.token(b.acme)
	for query, want := range map[string]decision.Reason{
		"access_token=" + token:          decision.RequestMalformed,
		"a=1&access_token=":              decision.RequestMalformed,
		"access_token":                   decision.RequestMalformed,
		"%61ccess_token=x":               decision.RequestMalformed,
		"a=1;access_token=x":             decision.RequestMalformed, // unreadable, and so ambiguous
		"a=%zz":                          decision.RequestMalformed,
		"Access_Token=x&page=access":     "",
		"note=access_token":              "",
		"from=2026-01-01&to=&x=%20&y=+1": "",
	} {
		r := request(token, &b.acme)
		r.URL.RawQuery = query
		_, err := b.verifier.VerifyRequest(r)
		if got := reason(t, err); got != want {
			t.Errorf("%s beside a good header: got %q, want %q", query, got, want)
		}
	}
	form := httptest.NewRequest(http.MethodPost, "https://api.example/accounts", strings.NewReader("access_token="+token))
	form.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	form.Header.Set("Cookie", "access_token="+token)
	form.Header.Set("X-Access-Token", token)
	form.Header.Set("Proxy-Authorization", "Bearer "+token)
	form.TLS = request("", &b.acme).TLS
	_, err := b.verifier.VerifyRequest(form)
	if got := reason(t, err); got != decision.TokenMissing {
		t.Errorf("form, cookie and other headers: got %q", got)
	}
	if n, _ := form.Body.Read(make([]byte, 1)); n != 1 {
		t.Error("the body was read; it belongs to the API")
	}
}
