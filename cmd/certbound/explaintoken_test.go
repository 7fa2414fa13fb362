package main

import (
	"strings"
	"testing"

	"github.com/certbound/certbound/keys/keystest"
)

func TestExplainToken(t *testing.T) {
	cert := write(t, "client.pem", keystest.SelfSigned(t).CertPEM())
	opaque := write(t, "token", []byte("opaque\n"))
	keys := write(t, "jwks.json", []byte(`{"keys":[]}`))
	for _, c := range []struct {
		want int
		say  string
		args []string
	}{
		{3, "an opaque token and no JWT", []string{"--token-file", opaque, "--cert", cert}},
		{3, `"accepted": false`, []string{"--token-file", opaque, "--cert", cert, "--jwks", keys, "-o", "json"}},
		{3, "certificate_expired", []string{"--token-file", opaque, "--cert", cert, "--at", "2101-01-01T00:00:00Z"}},
		{1, "required flag(s)", []string{"--cert", cert}},
		{1, "there is no token", []string{"--token-file", write(t, "empty", nil), "--cert", cert}},
		{1, "neither PEM nor DER", []string{"--token-file", opaque, "--cert", opaque}},
		{1, "not a JWK Set", []string{"--token-file", opaque, "--cert", cert, "--jwks", cert}},
		{1, "there is no --issuer", []string{"--token-file", opaque, "--cert", cert, "--ca", cert}},
		{1, "Leeway 1m0s is more", []string{"--token-file", opaque, "--cert", cert, "--leeway", "1m"}},
	} {
		code, out, messages := run(t, append([]string{"explain", "token"}, c.args...)...)
		if code != c.want || !strings.Contains(out+messages, c.say) {
			t.Errorf("%v: code %d, want %d and %q\n%s%s", c.args, code, c.want, c.say, out, messages)
		}
	}
}
