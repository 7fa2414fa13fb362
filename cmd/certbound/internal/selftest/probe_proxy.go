package selftest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/url"
	"strings"

	"github.com/certbound/certbound/keys/thumbprint"
)

// stolen is what a token in the wrong hands is good for.
const stolen = "a token that is stolen can be used by the thief"

// forgedDanger is what a forged token is good for.
const forgedDanger = "anybody can make tokens, for any client and any scope"

// through judges an answer of the proxy to what must not get through.
func through(a answer) (Outcome, string) { return a.refused(), a.say() }

func (b *bench) proxyProbes() []probe {
	all := []probe{
		b.thiefProbe("proxy.no_certificate", "the token without a certificate", nil),
		b.thiefProbe("proxy.namesake", "the token with a forged certificate of the same names", b.forged.namesake),
		b.thiefProbe("proxy.self_signed", "the token with a self-signed certificate of the same names", b.forged.self),
		b.thiefProbe("proxy.by_client", "the token with a certificate that its own certificate signed", b.forged.byClient),
	}
	if b.Other != nil {
		all = append(all, b.thiefProbe("proxy.other_client", "the token with another client's certificate", b.Other))
	} else {
		all = append(all, skipped("proxy.other_client", "the token with another client's certificate"))
	}
	of := func(name, title, danger string, change func(*call)) probe {
		return probe{"proxy." + name, title, danger, func(ctx context.Context, _ *bench) (Outcome, string) {
			c := b.get(b.token, &b.Certificate)
			change(&c)
			return through(b.send(ctx, c))
		}}
	}
	return append(all,
		of("no_token", "a certificate without a token", "a certificate alone is enough, whatever the client was granted", func(c *call) { c.header = nil }),
		of("query_token", "the token in the query", "tokens end in the logs on the way (RFC 6750 §5.3)", func(c *call) {
			c.header, c.url = nil, c.url+"?access_token="+url.QueryEscape(b.token)
		}),
		of("two_tokens", "two Authorization headers", "policy may read one and the API the other", func(c *call) {
			c.header["Authorization"] = append(c.header["Authorization"], "Bearer selftest")
		}),
		of("method_case", "the method in lower case", "policy may know GET and the API get", func(c *call) { c.method = "get" }),
		of("method_unlisted", "a method nobody uses", "methods that no policy names get through", func(c *call) { c.method = "SELFTEST" }),
	)
}

func (b *bench) thiefProbe(name, title string, as *tls.Certificate) probe {
	return probe{name, title, stolen, func(ctx context.Context, _ *bench) (Outcome, string) {
		return through(b.send(ctx, b.get(b.token, as)))
	}}
}

// forgedTokenProbes present changed and forged tokens with the right certificate,
// so that nothing but the token speaks against them.
func (b *bench) forgedTokenProbes(ctx context.Context) []probe {
	p, err := takeApart(b.token)
	var all []forgedToken
	if err == nil {
		all, err = p.forgeries(b.keys(ctx), b.stranger())
	}
	if err != nil {
		reason := err.Error()
		return []probe{{"forged", "forged tokens", "", func(context.Context, *bench) (Outcome, string) { return Skipped, reason }}}
	}
	out := make([]probe, len(all))
	for i, one := range all {
		as := &b.Certificate
		if one.name == "cnf_changed" {
			as = b.forged.self
		}
		out[i] = probe{"forged." + one.name, one.title, forgedDanger, func(ctx context.Context, _ *bench) (Outcome, string) {
			return through(b.send(ctx, b.get(one.token, as)))
		}}
	}
	return out
}

// stranger is the thumbprint of a certificate that only this run has.
func (b *bench) stranger() string { return thumbprint.Of(b.forged.self.Leaf).String() }

// pathProbes ask for the good path in other spellings, with the good token and
// without any.
func (b *bench) pathProbes() []probe {
	p := strings.TrimPrefix(b.Path, "/")
	var all []probe
	for _, one := range []struct{ name, title, path string }{
		{"double_slash", "a double slash", "//" + p},
		{"dot_segment", "a dot segment", "/./" + p},
		{"parent_segment", "a parent segment", "/selftest/../" + p},
		{"encoded_dots", "an encoded parent segment", "/selftest/%2e%2e/" + p},
		{"encoded_slash", "an encoded slash", "/%2F" + p},
		{"encoded_letter", "an encoded letter", "/" + encodeFirst(p)},
		{"encoded_nul", "an encoded NUL at the end", "/" + p + "%00"},
		{"backslash", "an encoded backslash", "/%5C" + p},
		{"parameter", "a path parameter", "/" + p + ";selftest"},
	} {
		all = append(all, probe{"path." + one.name, one.title + " in the path", "policy may judge one path and the API serve another",
			func(ctx context.Context, _ *bench) (Outcome, string) { return b.spelling(ctx, one.path) }})
	}
	return all
}

func encodeFirst(s string) string {
	const hex = "0123456789ABCDEF"
	return "%" + string(hex[s[0]>>4]) + string(hex[s[0]&15]) + s[1:]
}

func (b *bench) spelling(ctx context.Context, path string) (Outcome, string) {
	c := b.get(b.token, &b.Certificate)
	c.url = b.Proxy + path
	with := b.send(ctx, c)
	c.header = nil
	without := b.send(ctx, c)
	if outcome, seen := through(without); outcome != OK {
		return outcome, "without a token: " + seen
	}
	return through(with)
}

// identityHeaders are the fields in which gateways tell APIs who calls.
var identityHeaders = []string{
	"X-Certbound-Client", "X-Certbound-Partner", "X-Certbound-Scope", "X-Certbound-Selftest", "Client-Cert", "Client-Cert-Chain",
	"X-Forwarded-Client-Cert", "X-Forwarded-Tls-Client-Cert", "X-Ssl-Client-Cert", "Ssl-Client-Cert", "X-Client-Cert",
	"X-Amzn-Mtls-Clientcert", "X-Amzn-Mtls-Clientcert-Leaf", "X-Remote-User", "X-Certbound_Client",
}

// headerProbe sends each of them with a mark of its own, and looks for the marks
// in what the API says it received. An API that does not echo tells nothing.
func (b *bench) headerProbe() probe {
	return probe{"proxy.identity_headers", "identity headers of the caller's own", "any client can be any other to the API behind",
		func(ctx context.Context, _ *bench) (Outcome, string) {
			leaf, err := x509.ParseCertificate(b.Certificate.Certificate[0])
			if err != nil {
				return Unclear, err.Error()
			}
			nonce := thumbprint.Of(leaf).String()[:8]
			c := b.get(b.token, &b.Certificate)
			echo := "selftest-echo-" + nonce
			c.header.Set("X-Selftest-Echo", echo)
			for _, name := range identityHeaders {
				c.header[name] = []string{"selftest-" + name + "-" + nonce}
			}
			a := b.send(ctx, c)
			switch {
			case a.Err == nil && a.Status >= 400 && a.Status < 500:
				return OK, "refused: " + a.say()
			case a.Err != nil || a.Status != http.StatusOK:
				return Unclear, a.say()
			case !strings.Contains(string(a.Body), echo):
				return Skipped, "the API does not echo what it receives"
			}
			var passed []string
			for _, name := range identityHeaders {
				if strings.Contains(string(a.Body), "selftest-"+name+"-"+nonce) {
					passed = append(passed, name)
				}
			}
			if len(passed) > 0 {
				return Hole, "the API received " + strings.Join(passed, " ")
			}
			return OK, "the API received none of them"
		}}
}
