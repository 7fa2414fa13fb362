package resource_test

import (
	"strings"
	"testing"

	"github.com/certbound/certbound/resource/accesstoken"
)

// FuzzVerifyRequest: no token makes the verifier panic, and of all tokens over
// the owner's connection it accepts exactly those whose header and payload the
// issuer has signed.
func FuzzVerifyRequest(f *testing.F) {
	b := newBench(f)
	good := b.token(b.acme)
	signed := good[:strings.LastIndex(good, ".")]
	f.Add(good)
	f.Add(b.token(b.mallory))
	f.Add(signed + ".")
	f.Add(good + "=")
	f.Add(strings.ToUpper(good))
	f.Add(encode(`{"alg":"none","typ":"at+jwt","kid":"k1"}`) + "." + encode(b.claims(b.acme).text()) + ".")
	f.Add("..")
	f.Add(strings.Repeat(".", accesstoken.MaxSize))
	f.Fuzz(func(t *testing.T, token string) {
		verified, err := b.verifier.VerifyRequest(request(token, &b.acme))
		if err != nil {
			if reason(t, err); verified != nil {
				t.Fatal("a token beside a refusal")
			}
			return
		}
		// Only b holds the key, and it has signed one token for acme.
		if got := strings.TrimLeft(token, " "); !strings.HasPrefix(got, signed+".") {
			t.Fatalf("accepted an unsigned change: %q", token)
		}
		if _, err := b.verifier.VerifyRequest(request(token, &b.mallory)); err == nil {
			t.Fatal("accepted in other hands")
		}
	})
}

// FuzzAuthorization does the same with the whole header and the query.
func FuzzAuthorization(f *testing.F) {
	b := newBench(f)
	good := b.token(b.acme)
	f.Add("Bearer "+good, "")
	f.Add("bearer  "+good, "page=1")
	f.Add("Basic YTpi", "access_token=x")
	f.Add("", ";")
	f.Fuzz(func(t *testing.T, header, query string) {
		r := request("", &b.acme)
		r.Header["Authorization"] = []string{header}
		r.URL.RawQuery = query
		if _, err := b.verifier.VerifyRequest(r); err == nil {
			if len(header) < 7 || !strings.EqualFold(header[:7], "Bearer ") || strings.TrimLeft(header[7:], " ") == "" || strings.Contains(query, "access_token=") && r.URL.Query().Has("access_token") {
				t.Fatalf("accepted %q with query %q", header, query)
			}
		}
	})
}
