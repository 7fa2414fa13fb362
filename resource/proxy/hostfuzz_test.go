package proxy

import (
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
)

// FuzzParseHost: a host that a route may have has one spelling, which is the one a
// request for it is looked up by.
func FuzzParseHost(f *testing.F) {
	for _, seed := range []string{"", "a.test", "*.a.test", "A.Test", "10.0.0.1", "::1", "::ffff:1.2.3.4", "fe80::1%eth0", "[::1]", "a.test:443", "a.test.", "xn--a.test", "*.*.a", "0x7f.1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		h, err := parseHost(text)
		if err != nil {
			return
		}
		if again, err := parseHost(h.String()); err != nil || again != h {
			t.Fatalf("%q is written as %q, which is read as %v (%v)", text, h, again, err)
		}
		if h.wildcard {
			return
		}
		for _, written := range []string{text, strings.ToUpper(text)} {
			if strings.Contains(written, ":") {
				written = "[" + written + "]"
			}
			for _, port := range []string{"", ":443"} {
				if got := requestHost(&http.Request{Host: written + port}); got != h.name {
					t.Fatalf("a request to %q is for %q, not for %q", written+port, got, h.name)
				}
			}
		}
	})
}

// FuzzUpstream: an upstream that a route may have is where its requests go, by
// its scheme, with nothing added to the address.
func FuzzUpstream(f *testing.F) {
	for _, seed := range []string{
		"", "http://127.0.0.1:9000", "https://a.test/base/", "unix:///run/a.sock", "http://u:p@a.test", "https://a.test?x", "https://a.test#x", "https:a.test",
		"https://a.test/a%2fb", "https://a.test/%zz", "https://[::1]:1", "https://[fe80::1%25eth0]", "HTTPS://A.test", "https://a.test:x", "https://a\x00b", "https:///a",
	} {
		f.Add(seed)
	}
	f.Add("http://0:") // an empty port is left out
	f.Fuzz(func(t *testing.T, raw string) {
		if CheckUpstream(raw, true) != nil {
			return
		}
		u, err := ParseUpstream(raw)
		if err != nil {
			t.Fatal(err)
		}
		to := targetOf(u)
		out, err := http.NewRequest(http.MethodGet, to.url(&url.URL{Path: "/x", RawPath: "/x"}).String(), nil) //nolint:noctx // never sent
		if err != nil {
			t.Fatalf("%q is accepted and no request can be made to it: %v", raw, err)
		}
		if u.Scheme != "unix" && (out.URL.Scheme != u.Scheme || out.URL.Host != strings.TrimSuffix(u.Host, ":") || out.URL.User != nil || !strings.HasSuffix(out.URL.Path, "/x")) {
			t.Fatalf("%q is asked as %q", raw, out.URL)
		}
		if wire, err := httputil.DumpRequestOut(out, false); err != nil || strings.Count(string(wire), "\r\n\r\n") != 1 {
			t.Fatalf("%q is written as %q (%v)", raw, wire, err)
		}
	})
}
