package proxy_test

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/certbound/certbound/resource/proxy"
)

// good is a route without faults.
func good(t testing.TB, path string, methods ...string) proxy.Route {
	if len(methods) == 0 {
		methods = []string{"GET"}
	}
	return proxy.Route{Path: path, Methods: methods, Scopes: []string{"s"}, Upstream: mustURL(t, "http://127.0.0.1:1")}
}

func TestRouteFaults(t *testing.T) {
	t.Parallel()
	tests := []struct {
		change func(*proxy.Route)
		want   string
	}{
		{func(r *proxy.Route) { r.Path = "" }, "path: must start with a slash"},
		{func(r *proxy.Route) { r.Path = "a" }, "path: must start with a slash"},
		{func(r *proxy.Route) { r.Path = "/a//b" }, "path: path has an empty segment"},
		{func(r *proxy.Route) { r.Path = "/a/../b" }, "path: path has a dot segment"},
		{func(r *proxy.Route) { r.Path = "/a%2Fb" }, "path: path has '/' percent-encoded, which some servers take for a separator"},
		{func(r *proxy.Route) { r.Path = "/café" }, "path: path has byte 0xc3, which may not stand in a path unencoded"},
		{func(r *proxy.Route) { r.Path = "/{id:[0-9]+}" }, "path: {id:[0-9]+}: regular expressions are not supported; a parameter is a name"},
		{func(r *proxy.Route) { r.Path = "/{id}.json" }, `path: "{id}.json": a parameter is a whole segment, as in /{name}/`},
		{func(r *proxy.Route) { r.Path = "/{id" }, `path: "{id": a parameter is a whole segment, as in /{name}/`},
		{func(r *proxy.Route) { r.Path = "/{}" }, "path: {}: a parameter's name is a letter or '_', then letters, digits or '_', 64 at most"},
		{func(r *proxy.Route) { r.Path = "/{1a}" }, "path: {1a}: a parameter's name is a letter or '_', then letters, digits or '_', 64 at most"},
		{func(r *proxy.Route) { r.Path = "/{a-b}" }, "path: {a-b}: a parameter's name is a letter or '_', then letters, digits or '_', 64 at most"},
		{func(r *proxy.Route) { r.Path = "/{a}/{a}" }, "path: parameter {a} appears twice"},
		{func(r *proxy.Route) { r.Path = "/a/*" }, `path: "*": there are no wildcards; a parameter {name} stands for one segment`},
		{func(r *proxy.Route) { r.Methods = nil }, "methods: no method is listed, so nothing could pass"},
		{func(r *proxy.Route) { r.Methods = []string{"get"} }, `methods: "get" is not an upper-case HTTP method`},
		{func(r *proxy.Route) { r.Methods = []string{""} }, `methods: "" is not an upper-case HTTP method`},
		{func(r *proxy.Route) { r.Methods = []string{"CONNECT"} }, "methods: CONNECT cannot be forwarded"},
		{func(r *proxy.Route) { r.Methods = []string{"TRACE"} }, "methods: TRACE cannot be forwarded"},
		{func(r *proxy.Route) { r.Methods = []string{"GET", "GET"} }, "methods: GET is listed twice"},
		{func(r *proxy.Route) { r.Scopes = nil }, "scopes: no scope is listed; if any valid token is enough, say so explicitly"},
		{func(r *proxy.Route) { r.AnyScope = true }, "scopes: scopes are listed and any scope is allowed: only one can be meant"},
		{func(r *proxy.Route) { r.Scopes = []string{"a b"} }, `scopes: "a b" is not a scope (RFC 6749 §3.3)`},
		{func(r *proxy.Route) { r.Scopes = []string{"a", "a"} }, `scopes: "a" is listed twice`},
		{func(r *proxy.Route) { r.AnyOfScopes = []string{"t", "s"} }, `scopes: "s" is listed twice`},
		{func(r *proxy.Route) { r.Scopes, r.AnyOfScopes, r.AnyScope = nil, []string{"t"}, true }, "scopes: scopes are listed and any scope is allowed: only one can be meant"},
		{func(r *proxy.Route) { r.Partners = []string{""} }, `partners: "" is not a name`},
		{func(r *proxy.Route) { r.Clients = []string{"a", "a"} }, `clients: "a" is listed twice`},
		{func(r *proxy.Route) { r.Clients = []string{" a"} }, `clients: " a" is not a name`},
		{func(r *proxy.Route) { r.Upstream = nil }, "upstream: missing"},
		{func(r *proxy.Route) { r.Upstream = mustURL(t, "127.0.0.1") }, `upstream: "127.0.0.1" does not start with http://, https:// or unix://`},
		{func(r *proxy.Route) { r.Upstream = mustURL(t, "ftp://a") }, `upstream: "ftp://a" does not start with http://, https:// or unix://`},
		{func(r *proxy.Route) { r.Upstream = mustURL(t, "unix://run/api.sock") }, `upstream: "unix://run/api.sock" is not unix:// and the absolute path of a socket`},
		{func(r *proxy.Route) { r.Upstream = mustURL(t, "unix:///run/api.sock?x") }, `upstream: "unix:///run/api.sock?x" is not unix:// and the absolute path of a socket`},
		{func(r *proxy.Route) { r.MaxBodyBytes = -1 }, "max_body_bytes: must not be negative"},
		{func(r *proxy.Route) { r.Timeout = -1 }, "upstream: a time limit must not be negative"},
		{func(r *proxy.Route) { r.WebSocket, r.Methods = true, []string{"POST"} }, "websocket: a WebSocket is opened by GET, which is not among the methods"},
		{func(r *proxy.Route) { r.Upstream = mustURL(t, "http:///x") }, `upstream: "http:///x" names no host`},
		{func(r *proxy.Route) { r.Upstream = mustURL(t, "https://u:p@a") }, "upstream: holds a user or password; credentials do not belong in an address"},
		{func(r *proxy.Route) { r.Upstream = mustURL(t, "https://a/?q=1") }, `upstream: "https://a/?q=1" has a query or a fragment`},
		{func(r *proxy.Route) { r.Upstream = mustURL(t, "https://a/b/../c") }, "upstream: path has a dot segment"},
		{func(r *proxy.Route) { r.Upstream = mustURL(t, "http://10.0.0.1") }, `upstream: "http://10.0.0.1" is plaintext to another machine: use https, or allow it explicitly (insecure_plaintext_upstream)`},
		{func(r *proxy.Route) { r.Upstream = mustURL(t, "http://localhost.evil.test") }, `upstream: "http://localhost.evil.test" is plaintext to another machine: use https, or allow it explicitly (insecure_plaintext_upstream)`},
	}
	verifier := newWorld(t).verifier
	for _, tt := range tests {
		bad := good(t, "/ok")
		tt.change(&bad)
		_, err := proxy.New(proxy.Config{Verifier: verifier, Routes: []proxy.Route{good(t, "/first"), bad}})
		if want := "proxy: routes[1]." + tt.want; err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

func TestUpstreamsAllowed(t *testing.T) {
	t.Parallel()
	verifier := newWorld(t).verifier
	for _, raw := range []string{
		"http://127.0.0.1:1", "http://127.9.9.9", "http://[::1]:1", "http://localhost/", "http://LOCALHOST:1/base/",
		"http://[::ffff:127.0.0.1]", "https://api.internal", "https://10.0.0.1/base",
	} {
		r := good(t, "/")
		r.Upstream = mustURL(t, raw)
		if _, err := proxy.New(proxy.Config{Verifier: verifier, Routes: []proxy.Route{r}}); err != nil {
			t.Errorf("%s: %v", raw, err)
		}
	}
	r := good(t, "/")
	r.Upstream = mustURL(t, "http://10.0.0.1")
	r.InsecurePlaintextUpstream = true
	if _, err := proxy.New(proxy.Config{Verifier: verifier, Routes: []proxy.Route{r}}); err != nil {
		t.Errorf("allowed for the route: %v", err)
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	bad := proxy.Route{Path: "x"}
	_, err := proxy.New(proxy.Config{MaxBodyBytes: -1, Routes: []proxy.Route{
		bad, good(t, "/a/{x}", "GET", "PUT"), good(t, "/a/{y}", "POST", "PUT"), good(t, "/b%40"), good(t, "/b@"),
	}})
	want := strings.Join([]string{
		"proxy: a verifier is required",
		"proxy: the largest body must not be negative",
		"proxy: routes[0].path: must start with a slash",
		"proxy: routes[0].methods: no method is listed, so nothing could pass",
		"proxy: routes[0].scopes: no scope is listed; if any valid token is enough, say so explicitly",
		"proxy: routes[0].upstream: missing",
		"proxy: routes[2].path: PUT /a/{y} matches the same requests as routes[1], PUT /a/{x}",
		"proxy: routes[4].path: GET /b@ matches the same requests as routes[3], GET /b%40",
	}, "\n")
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	var places []string
	for _, e := range proxy.RouteErrors(fmt.Errorf("proxy.yaml: %w", err)) {
		places = append(places, fmt.Sprintf("%d %s", e.Index, e.Field))
	}
	if diff := cmp.Diff([]string{"0 path", "0 methods", "0 scopes", "0 upstream", "2 path", "4 path"}, places); diff != "" {
		t.Error(diff)
	}
	if got := proxy.RouteErrors(errors.New("other")); got != nil {
		t.Errorf("RouteErrors of another error = %v", got)
	}
	if _, err := proxy.New(proxy.Config{Verifier: newWorld(t).verifier}); err == nil || err.Error() != "proxy: no route is configured, so nothing could pass" {
		t.Errorf("no routes: %v", err)
	}
}

// TestMostSpecificRoute reads from the scope the caller lacks which route was
// chosen, whatever the order of configuration.
func TestMostSpecificRoute(t *testing.T) {
	t.Parallel()
	paths := []string{"/", "/{a}", "/a", "/a/", "/a/{x}/c", "/a/b/{y}", "/{p}/b/c", "/a/{x}", "/a/b", "/caf%C3%A9", "/ops:export", "/{a}/{b}/{c}"}
	for _, reverse := range []bool{false, true} {
		w := newWorld(t, func(w *world, c *proxy.Config, _ *httptest.Server) {
			c.Routes = nil
			for i := range paths {
				if reverse {
					i = len(paths) - 1 - i
				}
				c.Routes = append(c.Routes, proxy.Route{Path: paths[i], Methods: []string{"GET"}, Scopes: []string{"for:" + paths[i]}, Upstream: w.url})
			}
		})
		for target, want := range map[string]string{
			"/": "/", "/a": "/a", "/b": "/{a}", "/A": "/{a}", "/a/": "/a/", "/a/b": "/a/b", "/a/z": "/a/{x}",
			"/a/b/c": "/a/b/{y}", "/a/z/c": "/a/{x}/c", "/z/b/c": "/{p}/b/c", "/z/z/z": "/{a}/{b}/{c}", "/a/z/z": "/{a}/{b}/{c}",
			"/caf%c3%a9": "/caf%C3%A9", "/ops%3Aexport": "/ops:export", "/ops%3aexport?x=1": "/ops:export",
			"/ops%20export": "/{a}",
		} {
			a := w.call(t, "GET", target)
			line := w.expectRefusal(t, a, 403, "scope_insufficient")
			if line["route"] != want {
				t.Errorf("GET %s went to route %v, want %s (reverse %v)", target, line["route"], want, reverse)
			}
		}
		for _, target := range []string{"/b/", "/a/b/c/d", "/a/b/"} {
			w.expectRefusal(t, w.call(t, "GET", target), 404, "route_unknown")
		}
	}
}

// TestCheckRoutes: what New would say of the routes, without the rest of it.
func TestCheckRoutes(t *testing.T) {
	t.Parallel()
	if err := proxy.CheckRoutes([]proxy.Route{good(t, "/a")}); err != nil {
		t.Error(err)
	}
	err := proxy.CheckRoutes([]proxy.Route{good(t, "/a"), good(t, "b"), good(t, "/a")})
	want := "proxy: routes[1].path: must start with a slash\nproxy: routes[2].path: GET /a matches the same requests as routes[0], GET /a"
	if err == nil || err.Error() != want || len(proxy.RouteErrors(err)) != 2 {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestParseUpstream(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"http://127.0.0.1:9000/base": "", "https://api.internal": "", "localhost": "", // the last is judged with its route
		"":                               "proxy: missing",
		"127.0.0.1:9000":                 `proxy: "127.0.0.1:9000" does not start with http://, https:// or unix://`,
		"http://user:secret@127.0.0.1:x": `proxy: not a URL: invalid port ":x" after host`,
		"https://a%zz":                   `proxy: not a URL: invalid URL escape "%zz"`,
	} {
		u, err := proxy.ParseUpstream(raw)
		if want == "" && (err != nil || u.String() != raw) || want != "" && (err == nil || err.Error() != want) {
			t.Errorf("ParseUpstream(%q) = %v, %v", raw, u, err)
		}
	}
}
