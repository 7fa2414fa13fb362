package fetch

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

func TestCheckURL(t *testing.T) {
	for _, tt := range []struct{ raw, want string }{
		{"https://partner.example/jwks.json", ""},
		{"https://partner.example", ""},
		{"https://partner.example:8443/jwks?set=1", ""},
		{"https://partner.example:443/", ""},
		{"https://192.0.2.1/jwks", ""}, // judged when connecting
		{"https://[2001:db8::1]:8443/jwks", ""},
		{"https://xn--mnchen-3ya.example/", ""},

		{"", "fetch: a URL has 1 to 2048 bytes"},
		{"https://a/" + strings.Repeat("a", 2048), "fetch: a URL has 1 to 2048 bytes"},
		{"http://partner.example/jwks", "fetch: not an https URL"},
		{"HTTPS://partner.example/jwks", ""},
		{"ftp://partner.example/", "fetch: not an https URL"},
		{"file:///etc/passwd", "fetch: not an https URL"},
		{"gopher://partner.example/", "fetch: not an https URL"},
		{"//partner.example/jwks", "fetch: not an https URL"},
		{"jwks.json", "fetch: not an https URL"},
		{"https:partner.example", "fetch: not a URL with a host"},
		{"https:///jwks", "fetch: the host is not a DNS name"},
		{"https://user@partner.example/", "fetch: a URL with a user or a password"},
		{"https://user:secret@partner.example/", "fetch: a URL with a user or a password"},
		{"https://@partner.example/", "fetch: a URL with a user or a password"},
		{"https://partner.example/#keys", "fetch: a URL with a fragment"},
		{"https://partner.example/#", "fetch: a URL with a fragment"},
		{"https://partner.example/a b", "fetch: a URL consists of visible ASCII characters other than \\"},
		{"https://partner.example\\@evil.example/", "fetch: a URL consists of visible ASCII characters other than \\"},
		{"https://partner.example/\n", "fetch: a URL consists of visible ASCII characters other than \\"},
		{"https://münchen.example/", "fetch: a URL consists of visible ASCII characters other than \\"},
		{"https://partner%2eexample/", "fetch: not a URL"},
		{"https://part%C3%BCner.example/", "fetch: the host is not a DNS name (internationalised ones in their xn-- form)"},
		{"https://partner..example/", "fetch: the host is not a DNS name"},
		{"https://.example/", "fetch: the host is not a DNS name"},
		{"https://a,b/", "fetch: the host is not a DNS name (internationalised ones in their xn-- form)"},
		{"https://[fe80::1%25eth0]/", "fetch: not an IPv6 address in brackets"},
		{"https://[127.0.0.1]/", "fetch: not a URL"},
		{"https://partner.example:/", "fetch: a URL with an empty port"},
		{"https://partner.example:22/", "fetch: port 22 belongs to another protocol; 443 and 1024 to 65535 are open"},
		{"https://partner.example:80/", "fetch: port 80 belongs to another protocol; 443 and 1024 to 65535 are open"},
		{"https://partner.example:0443/", "fetch: not a port"},
		{"https://partner.example:65536/", "fetch: not a port"},
		{"https://partner.example:x/", "fetch: not a URL"},
	} {
		got := ""
		if err := CheckURL(tt.raw); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%.60q:\n got %s\nwant %s", tt.raw, got, tt.want)
		}
	}
	for raw, want := range map[string]bool{"http://crl.example/a.crl": true, "http://crl.example:80/": true, "https://crl.example/": true, "ldap://crl.example/": false} {
		if _, err := parseURL(raw, true); (err == nil) != want {
			t.Errorf("plain %q: %v", raw, err)
		}
	}
}

// FuzzCheckURL: what is accepted has one reading, without anything that another
// reader could take for the host.
func FuzzCheckURL(f *testing.F) {
	for _, s := range []string{
		"https://partner.example/jwks.json", "https://[::1]:8443/", "https://a@b/", "https://a\\@b/", "https://a:443:80/", "https://a%00.b/",
		"https://127.1/", "https://0x7f.1/", "https:/a/b", "https://a/?@b", "https://a#@b", "https://a:@b/",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := parseURL(raw, false)
		if err != nil {
			return
		}
		again, err := url.Parse(u.String())
		if err != nil || again.Host != u.Host || again.Scheme != "https" || again.User != nil {
			t.Fatalf("%q is sent as %q, read as %v (%v)", raw, u, again, err)
		}
		_, rest, _ := strings.Cut(raw, "//")
		authority, _, _ := strings.Cut(rest, "/")
		authority, _, _ = strings.Cut(authority, "?")
		if authority != u.Host {
			t.Fatalf("%q: the authority is %q, the host %q", raw, authority, u.Host)
		}
		host := u.Hostname()
		if _, err := netip.ParseAddr(host); err != nil && strings.ContainsAny(host, "@:%/\\ ") {
			t.Fatalf("%q: host %q", raw, host)
		}
	})
}
