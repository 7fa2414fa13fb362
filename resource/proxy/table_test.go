package proxy

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

// pick returns one of the choices.
func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// randomPath has up to three segments of a small alphabet, so that templates meet.
func randomPath(r *rand.Rand, segments ...string) string {
	var b strings.Builder
	for i := range 1 + r.IntN(3) {
		segment := pick(r, segments...)
		if strings.HasPrefix(segment, "{") {
			segment = fmt.Sprintf("{p%d}", i)
		}
		b.WriteString("/" + segment)
	}
	return b.String()
}

// randomRoutes are routes of which newTable has accepted each.
func randomRoutes(r *rand.Rand) []Route {
	var routes []Route
	for range 12 {
		next := Route{
			Path: randomPath(r, "a", "b", "c", "{}", "{}"), Methods: []string{pick(r, "GET", "POST")},
			AnyScope: true, Upstream: &url.URL{Scheme: "http", Host: "localhost"},
		}
		for range r.IntN(3) {
			next.Hosts = append(next.Hosts, pick(r, "x.test.example", "y.test.example", "*.test.example", "*.example.org", "test.example"))
		}
		if _, faults := newTable(append(routes[:len(routes):len(routes)], next)); faults == nil {
			routes = append(routes, next)
		}
	}
	return routes
}

// rank says how well a route fits a request's host and path, in the words of the
// documentation: "" when it does not; otherwise the smaller is the more specific.
func rank(rt *Route, host, path string) string {
	order := "9"
	if len(rt.Hosts) > 0 {
		order = ""
		_, parent, _ := strings.Cut(host, ".")
		for _, h := range rt.Hosts {
			switch {
			case h == host:
				order = "1"
			case h == "*."+parent && order == "":
				order = "2"
			}
		}
		if order == "" {
			return ""
		}
	}
	want, got := strings.Split(rt.Path, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return ""
	}
	for i := range want {
		switch {
		case strings.HasPrefix(want[i], "{") && got[i] != "":
			order += "2"
		case want[i] == got[i]:
			order += "1"
		default:
			return ""
		}
	}
	return order
}

// TestRoutesByDefinition compares the table with the definition of what is most
// specific, and shows that no route is shadowed: each has a request of its own.
func TestRoutesByDefinition(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		routes := randomRoutes(r)
		tbl, faults := newTable(routes)
		if faults != nil {
			t.Fatal(faults)
		}
		for range 60 {
			host := pick(r, "x.test.example", "y.test.example", "z.test.example", "test.example", "a.example.org", "other")
			path := randomPath(r, "a", "b", "c", "d")
			method := pick(r, "GET", "POST")
			best := ""
			for i := range routes {
				if k := rank(&routes[i], host, path); k != "" && (best == "" || k < best) {
					best = k
				}
			}
			s := tbl.find(&http.Request{Method: method, Host: host, URL: &url.URL{Path: path}})
			if (s == nil) != (best == "") {
				t.Fatalf("%s%s: found %v, by definition %q", host, path, s, best)
			}
			if s == nil {
				continue
			}
			for _, rt := range s.byMethod {
				if k := rank(&rt.Route, host, path); k != best {
					t.Fatalf("%s%s went to %s (%s), the best is %s", host, path, rt.label, k, best)
				}
			}
		}
		for i := range routes {
			notShadowed(t, tbl, &routes[i], i)
		}
	}
}

// notShadowed sends the request in which every parameter and star is a name that
// no literal has.
func notShadowed(t *testing.T, tbl *table, rt *Route, index int) {
	t.Helper()
	hosts := rt.Hosts
	if len(hosts) == 0 {
		hosts = []string{"unheard-of"}
	}
	segments := strings.Split(rt.Path, "/")
	for i := range segments {
		if strings.HasPrefix(segments[i], "{") {
			segments[i] = "unheard-of"
		}
	}
	for _, h := range hosts {
		in := &http.Request{Host: strings.Replace(h, "*", "unheard-of", 1), URL: &url.URL{Path: strings.Join(segments, "/")}}
		s := tbl.find(in)
		if s == nil || s.byMethod[rt.Methods[0]] == nil || s.byMethod[rt.Methods[0]].index != index {
			t.Fatalf("%s%s of route %d %v %s is shadowed", in.Host, in.URL.Path, index, rt.Hosts, rt.Path)
		}
	}
}

// FuzzHost: a route answers to a request's host only when the two are one name.
func FuzzHost(f *testing.F) {
	for _, seed := range [][2]string{
		{"a.test", "A.test:443"}, {"*.a.test", "b.a.test"}, {"::1", "[::1]:8444"}, {"10.0.0.1", "10.0.0.1:1"}, {"*.a.test", ".a.test"},
		{"a.test", "a.test."}, {"a.test", "a.test@b"}, {"::1", "[0:0::1]"}, {"::ffff:1.2.3.4", "1.2.3.4"}, {"*.a.test", "[b.a.test]"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, asked string) {
		h, err := parseHost(pattern)
		if err != nil {
			return
		}
		if again, err := parseHost(h.String()); err != nil || again != h {
			t.Fatalf("%q is written as %q, read as %v (%v)", pattern, h, again, err)
		}
		tbl, faults := newTable([]Route{{Hosts: []string{pattern}, Path: "/", Methods: []string{"GET"}, AnyScope: true, Upstream: &url.URL{Scheme: "http", Host: "localhost"}}})
		if faults != nil {
			t.Fatal(faults)
		}
		if tbl.find(&http.Request{Host: asked, URL: &url.URL{Path: "/"}}) == nil {
			return
		}
		name := strings.ToLower(hostname(asked))
		switch addr, err := netip.ParseAddr(strings.Trim(name, "[]")); {
		case h.wildcard:
			if !strings.HasSuffix(name, "."+h.name) || strings.Count(name, ".") != strings.Count(h.name, ".")+1 {
				t.Fatalf("%q answers to %q", pattern, asked)
			}
		case err == nil:
			if addr.String() != h.name {
				t.Fatalf("%q answers to %q", pattern, asked)
			}
		case name != h.name:
			t.Fatalf("%q answers to %q", pattern, asked)
		}
	})
}

func TestNetwork(t *testing.T) {
	t.Parallel()
	for remote, want := range map[string]string{
		"192.0.2.7:1": "192.0.2.7/32", "[::ffff:192.0.2.7]:1": "192.0.2.7/32", "[2001:db8:1:2:3::4]:1": "2001:db8:1:2::/64",
		"[fe80::1%eth0]:1": "fe80::/64", "@": "invalid Prefix", "": "invalid Prefix",
	} {
		if got := network(remote).String(); got != want {
			t.Errorf("network(%q) = %s, want %s", remote, got, want)
		}
	}
}
