package proxy

import (
	"testing"
)

func TestCheckPath(t *testing.T) {
	t.Parallel()
	good := []string{
		"/", "/a", "/a/", "/a/b.json", "/a/...", "/a/.b", "/a/b..c", "/a/-_~!$&'()*+,=:@",
		"/a/caf%C3%A9", "/a/caf%c3%a9", "/a/x%20y", "/a/user%40b.test", "/a/urn%3Aa:b", "/a/100%25", "/a/%25x", "/a/%2B",
	}
	for _, path := range good {
		if err := CheckPath(path); err != nil {
			t.Errorf("CheckPath(%q) = %v, want nil", path, err)
		}
	}
	const (
		slash   = "proxy: path does not start with a slash"
		empty   = "proxy: path has an empty segment"
		dot     = "proxy: path has a dot segment"
		escape  = "proxy: path has an invalid percent-escape"
		control = "proxy: path has an encoded control character"
		twice   = "proxy: path is encoded twice"
		utf     = "proxy: path is not UTF-8 once decoded"
	)
	raw := func(hex string) string {
		return "proxy: path has byte 0x" + hex + ", which may not stand in a path unencoded"
	}
	needless := func(c string) string {
		return "proxy: path has '" + c + "' percent-encoded, which needs no encoding"
	}
	separator := func(c string) string {
		return "proxy: path has '" + c + "' percent-encoded, which some servers take for a separator"
	}
	bad := map[string]string{
		"": slash, "a": slash, "*": slash, "%2Fa": slash,
		"//": empty, "//a": empty, "/a//b": empty, "/a//": empty,
		"/.": dot, "/..": dot, "/a/../b": dot, "/a/./b": dot, "/a/..": dot,
		"/%2e": needless("."), "/a/%2E%2e/b": needless("."), "/a/.%2e/b": needless("."), "/%61": needless("a"), "/%7E": needless("~"),
		"/a%2Fb": separator("/"), "/a%2fb": separator("/"), "/a%3Bb": separator(";"), "/a%3F": separator("?"), "/a%23": separator("#"),
		"/a%5Cb": separator(`\\`),
		"/a;b":   raw("3b"), `/a\b`: raw("5c"), "/a b": raw("20"), "/a\x00": raw("00"), "/a\x7f": raw("7f"), "/caf\xc3\xa9": raw("c3"),
		"/a#b": raw("23"), "/a?b": raw("3f"), "/a{b}": raw("7b"), "/a[b]": raw("5b"), "/%41;x%": needless("A"), "/%C3%A9;": raw("3b"),
		"/a%00": control, "/a%0d%0a": control, "/a%7F": control, "/a%C2%85": control,
		"/%": escape, "/%4": escape, "/%zz": escape, "/%u002f": escape, "/%4z": escape,
		"/a%252Fb": twice, "/%252e%252e": twice, "/a%25u002fb": twice, "/%25%2540": twice, "/a%25U": twice,
		"/%ff": utf, "/%c0%af": utf, "/%C3": utf, "/%ed%a0%80": utf,
	}
	for path, want := range bad {
		if err := CheckPath(path); err == nil || err.Error() != want {
			t.Errorf("CheckPath(%q) = %v, want %q", path, err, want)
		}
	}
}

func TestCanonicalPath(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"/a/b": "/a/b", "/a%40b": "/a@b", "/a@b": "/a@b", "/caf%c3%a9": "/caf%C3%A9", "/x%20y%3a": "/x%20y:", "/100%25": "/100%25",
	} {
		if got := canonicalPath(in); got != want {
			t.Errorf("canonicalPath(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestIsIdentityHeader(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"Client-Cert", "client_cert", "CLIENT.CERT", "Client-Cert-Chain", "Client_Cert-chain", "X-Forwarded-For", "x_forwarded_host",
		"X-Forwarded-Client-Cert", "X-Certbound-Client", "x_certbound_partner", "X!Certbound!Anything", "X-SSL-Client-S-DN",
		"SSL_CLIENT_S_DN", "SSL-Client-Verify", "X-Client-CN", "X-Amzn-Mtls-Clientcert", "X-Amzn-Mtls-Clientcert-Leaf", "Forwarded",
		"X-Real-IP", "True-Client-IP", "X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override",
		"X-Request-Id", "X_Request_ID", "X-Envoy-External-Address", "Remote-User", "Proxy", "X-Certbound-" + string(make([]byte, 100)),
	} {
		if !isIdentityHeader(name) {
			t.Errorf("%q would reach the upstream", name)
		}
	}
	for _, name := range []string{
		"Accept", "Content-Type", "User-Agent", "X-Api-Key", "X-Requested-With", "Client-Certificate-Policy", "Ssl", "X-Certboun", "Cookie", "",
	} {
		if isIdentityHeader(name) {
			t.Errorf("%q would be lost", name)
		}
	}
	for name := range identityHeaders {
		if !isIdentityHeader(name) || len(name) >= longestName {
			t.Errorf("table entry %q never matches", name)
		}
	}
	for _, prefix := range identityPrefixes {
		if !isIdentityHeader(prefix+"z") || len(prefix) >= longestName {
			t.Errorf("table entry %q never matches", prefix)
		}
	}
}
