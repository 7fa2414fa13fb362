package proxy

import (
	"bufio"
	"bytes"
	"net/http"
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/certbound/certbound/resource/decision"
)

// FuzzForwardedPath: whatever the rule lets through is forwarded byte for byte,
// and every way of reading it that an upstream may have finds the same segments
// as the route table did.
func FuzzForwardedPath(f *testing.F) {
	for _, seed := range []string{
		"/", "/a", "/a/", "/a/b?x=1", "/a%40b", "/caf%c3%a9", "/a/../b", "/a%2fb", "//a", "/a;b", "/%252e", "/%c0%af", "*", "http://h/a", "https://h/a?b", "httPs://0/",
		"/a%00", `/a\b`, "/%25u002f", "/100%25", "/a#b", "/:a@b", "/%7e", "/a%ef%bc%8fb", "https://h", "h:443", "/...", "/a?#", "/a?b;c",
	} {
		f.Add(seed, "/base")
	}
	tbl, faults := newTable([]Route{
		{Path: "/", Methods: []string{"GET"}, AnyScope: true, Upstream: &url.URL{Scheme: "http", Host: "localhost"}},
		{Path: "/{a}", Methods: []string{"GET"}, AnyScope: true, Upstream: &url.URL{Scheme: "http", Host: "localhost"}},
		{Path: "/{a}/{b}", Methods: []string{"GET"}, AnyScope: true, Upstream: &url.URL{Scheme: "http", Host: "localhost", Path: "/base/"}},
	})
	if faults != nil {
		f.Fatal(faults)
	}
	f.Fuzz(func(t *testing.T, target, base string) {
		in, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET " + target + " HTTP/1.1\r\nHost: h\r\n\r\n")))
		if err != nil || checkTarget(in) != nil {
			return
		}
		escaped := decision.Path(in.URL)
		if raw, _, _ := strings.Cut(originForm(in), "?"); raw != escaped {
			t.Fatalf("checked %q of %q", escaped, in.RequestURI)
		}
		readings(t, escaped, in.URL.Path)
		matched(t, tbl, in)
		forwarded(t, in, base)
	})
}

// originForm is the target as it was sent, without the scheme and authority of an
// absolute form.
func originForm(in *http.Request) string {
	if strings.HasPrefix(in.RequestURI, "/") {
		return in.RequestURI
	}
	_, rest, _ := strings.Cut(in.RequestURI, "://")
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		return rest[i:]
	}
	return ""
}

// readings compares one decoding, cleaning, and a second decoding.
func readings(t *testing.T, escaped, decoded string) {
	if once, err := url.PathUnescape(escaped); err != nil || once != decoded {
		t.Fatalf("%q is read as %q and %q (%v)", escaped, decoded, once, err)
	}
	if twice, err := url.PathUnescape(decoded); err == nil && twice != decoded {
		t.Fatalf("%q decodes again, to %q", decoded, twice)
	}
	for _, s := range []string{escaped, decoded} {
		clean := path.Clean(s)
		if strings.HasSuffix(s, "/") && clean != "/" {
			clean += "/"
		}
		if clean != s {
			t.Fatalf("%q is cleaned to %q", s, clean)
		}
	}
	if strings.Count(escaped, "/") != strings.Count(decoded, "/") || strings.ContainsAny(decoded, ";\\?#") {
		t.Fatalf("%q hides a separator", escaped)
	}
	canonical := canonicalPath(escaped)
	if again, err := url.PathUnescape(canonical); err != nil || again != decoded || CheckPath(canonical) != nil || canonicalPath(canonical) != canonical {
		t.Fatalf("canonical form %q of %q means %q (%v)", canonical, escaped, again, err)
	}
}

// matched checks that routing sees the segments an upstream sees.
func matched(t *testing.T, tbl *table, in *http.Request) {
	s := tbl.find(in)
	segments := strings.Split(in.URL.Path[1:], "/")
	want := len(segments) <= 2 && (len(segments) == 1 || segments[0] != "" && segments[1] != "")
	if (s != nil) != want || s != nil && in.URL.Path != "/" && len(s.template) != len(segments) {
		t.Fatalf("%q with segments %q matched %v", in.RequestURI, segments, s)
	}
}

// forwarded writes the request as the transport does and reads it as an upstream.
func forwarded(t *testing.T, in *http.Request, base string) {
	upstream := &url.URL{Scheme: "http", Host: "up"}
	if CheckPath(base) == nil {
		decoded, _ := url.PathUnescape(base)
		upstream.Path, upstream.RawPath = decoded, base
	} else {
		base = ""
	}
	to := targetOf(upstream)
	out := &http.Request{Method: "GET", URL: to.url(in.URL), Header: http.Header{}}
	var wire bytes.Buffer
	if err := out.Write(&wire); err != nil {
		t.Fatal(err)
	}
	got, err := http.ReadRequest(bufio.NewReader(&wire))
	if err != nil {
		t.Fatal(err)
	}
	want := strings.TrimSuffix(base, "/") + originForm(in)
	if got.RequestURI != want || got.URL.Path != strings.TrimSuffix(upstream.Path, "/")+in.URL.Path || checkTarget(got) != nil {
		t.Fatalf("%q was forwarded as %q, read as %q", in.RequestURI, got.RequestURI, got.URL.Path)
	}
}

// FuzzParseTemplate: a template that is accepted matches its own path.
func FuzzParseTemplate(f *testing.F) {
	for _, seed := range []string{"/", "/a/{b}", "/{a}/{b}/", "/{a}/{a}", "/a%40", "/{a:.*}", "/*", "/a//b", "/{", "/}{", "/a*b", "/%7Ba%7D", "/caf%c3%a9/", "/%2A"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := parseTemplate(text)
		if err != nil {
			return
		}
		again, err := parseTemplate(parsed.String())
		if err != nil || again.compare(parsed) != 0 || again.shape() != parsed.shape() {
			t.Fatalf("%q is written as %q: %v", text, parsed, err)
		}
		tbl, faults := newTable([]Route{{Path: text, Methods: []string{"GET"}, AnyScope: true, Upstream: &url.URL{Scheme: "http", Host: "localhost"}}})
		if faults != nil {
			t.Fatal(faults)
		}
		target := parsed.render(func(int) string { return "x%20y" })
		in, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET " + target + " HTTP/1.1\r\nHost: h\r\n\r\n")))
		if err != nil || checkTarget(in) != nil || tbl.find(in) == nil {
			t.Fatalf("template %q does not match %q (%v)", text, target, err)
		}
	})
}
