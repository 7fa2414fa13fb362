package proxy_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/certbound/certbound/resource/proxy"
)

func TestHostFaults(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"":                              `"": is not a host name: labels are letters, digits and hyphens, with a dot between two`,
		"a..b":                          `"a..b": is not a host name: labels are letters, digits and hyphens, with a dot between two`,
		"example.com.":                  `"example.com.": is not a host name: labels are letters, digits and hyphens, with a dot between two`,
		"-a.test":                       `"-a.test": is not a host name: labels are letters, digits and hyphens, with a dot between two`,
		"a_b.test":                      `"a_b.test": is not a host name: labels are letters, digits and hyphens, with a dot between two`,
		"a.test:443":                    `"a.test:443": has a port or a scheme; write the name alone, ports are ignored`,
		"https://a.test":                `"https://a.test": has a port or a scheme; write the name alone, ports are ignored`,
		"bücher.test":                   `"bücher.test": is not ASCII; write an internationalized name in its xn-- form`,
		"*":                             `"*": a wildcard is one whole label in front, as in *.example.com`,
		"*.com":                         `"*.com": a wildcard needs two labels behind it at least`,
		"*.*.example.com":               `"*.*.example.com": a wildcard is one whole label in front, as in *.example.com`,
		"api*.example.com":              `"api*.example.com": a wildcard is one whole label in front, as in *.example.com`,
		"a.*.example.com":               `"a.*.example.com": a wildcard is one whole label in front, as in *.example.com`,
		"fe80::1%eth0":                  `"fe80::1%eth0": has a port or a scheme; write the name alone, ports are ignored`,
		labels(64):                      `"` + labels(64) + `": is not a host name: labels are letters, digits and hyphens, with a dot between two`,
		strings.Repeat("a.", 127) + "a": `"` + strings.Repeat("a.", 127) + `a": is longer than 253 characters`,
	} {
		r := good(t, "/")
		r.Hosts = []string{raw}
		if err := proxy.CheckRoutes([]proxy.Route{r}); err == nil || err.Error() != "proxy: routes[0].hosts: "+want {
			t.Errorf("host %q: %v", raw, err)
		}
	}
	for _, raw := range []string{"localhost", "API.Example.com", "*.example.com", "xn--bcher-kva.test", "10.0.0.1", "::1", "2001:db8::1", "0--a.test"} {
		r := good(t, "/")
		r.Hosts = []string{raw}
		if err := proxy.CheckRoutes([]proxy.Route{r}); err != nil {
			t.Errorf("host %q: %v", raw, err)
		}
	}
}

func labels(n int) string { return strings.Repeat("a", n) + ".test" }

func TestHostCollisions(t *testing.T) {
	t.Parallel()
	on := func(path string, hosts ...string) proxy.Route {
		r := good(t, path)
		r.Hosts = hosts
		return r
	}
	err := proxy.CheckRoutes([]proxy.Route{
		on("/a", "api.test", "*.api.test"), on("/a"), on("/a", "x.api.test"),
		on("/a", "b.test", "API.test"), on("/c", "d.test", "D.TEST"), on("/a", "::1"), on("/a", "0:0::1"),
	})
	want := `proxy: routes[3].path: GET api.test/a matches the same requests as routes[0], GET api.test/a
proxy: routes[4].hosts: "D.TEST" is listed twice
proxy: routes[6].path: GET ::1/a matches the same requests as routes[5], GET ::1/a`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

// TestMostSpecificHost reads from the log which route was chosen. No SNI is sent,
// so that Host alone decides.
func TestMostSpecificHost(t *testing.T) {
	t.Parallel()
	routes := []struct{ host, path string }{
		{"", "/a"}, {"", "/{x}"}, {"*.example.test", "/{x}"}, {"api.example.test", "/{x}"}, {"api.example.test", "/{x}/y"}, {"127.0.0.1", "/a"}, {"::1", "/a"},
	}
	w := newWorld(t, func(w *world, c *proxy.Config, _ *httptest.Server) {
		c.Routes = nil
		for _, r := range routes {
			route := proxy.Route{Path: r.path, Methods: []string{"GET"}, Scopes: []string{"nobody:has"}, Upstream: w.url}
			if r.host != "" {
				route.Hosts = []string{r.host}
			}
			c.Routes = append(c.Routes, route)
		}
	})
	for _, tt := range []struct{ host, path, want string }{
		{"api.example.test", "/a", "api.example.test/{x}"}, // the host's template before anybody's literal
		{"API.Example.TEST:8444", "/a", "api.example.test/{x}"},
		{"api.example.test", "/a/y", "api.example.test/{x}/y"},
		{"www.example.test", "/a", "*.example.test/{x}"},
		{"www.example.test", "/a/y", ""},
		{"a.b.example.test", "/b", "/{x}"},
		{"example.test", "/b", "/{x}"},
		{"api.example.test.", "/a", "/a"},
		{"other.test", "/a", "/a"},
		{"127.0.0.1:1", "/a", "127.0.0.1/a"}, {"[::1]:8444", "/a", "::1/a"}, {"[0:0::1]", "/a", "::1/a"},
		{".example.test", "/b", "/{x}"}, {"_x.example.test", "/b", "/{x}"},
	} {
		a := w.sendTo(t, "127.0.0.1", w.acme, "GET "+tt.path+" HTTP/1.1\nHost: "+tt.host+"\nAuthorization: Bearer {token}\n\n")
		line := w.log.one(t)
		if got, _ := line["route"].(string); got != tt.want || (tt.want == "") != (a.StatusCode == 404) {
			t.Errorf("%s%s went to %q (%d), want %q", tt.host, tt.path, got, a.StatusCode, tt.want)
		}
	}
}

// TestMisdirected: where hosts decide, the handshake and the request name one.
func TestMisdirected(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *world, c *proxy.Config, s *httptest.Server) {
		c.Routes[0].Hosts = []string{"localhost", "other.test"}
		s.EnableHTTP2 = true
	})
	for _, host := range []string{"other.test", "unknown.test", "localhost.", "127.0.0.1"} {
		a := w.send(t, w.acme, "GET /accounts HTTP/1.1\nHost: "+host+"\nAuthorization: Bearer {token}\n\n")
		w.expectRefusal(t, a, 421, "misdirected_request")
	}
	request := w.request(t.Context(), t, "GET", "/accounts", nil)
	request.Host = "other.test"
	res, err := w.client(t, "h2").Do(request)
	must(t, err)
	must(t, res.Body.Close())
	if res.StatusCode != 421 || res.ProtoMajor != 2 || w.hits.Load() != 0 {
		t.Errorf("coalesced: %s %d", res.Proto, res.StatusCode)
	}
	for _, host := range []string{"localhost", "LOCALHOST:1"} {
		if a := w.send(t, w.acme, "GET /accounts HTTP/1.1\nHost: "+host+"\nAuthorization: Bearer {token}\n\n"); a.StatusCode != 200 {
			t.Errorf("%s: %d", host, a.StatusCode)
		}
	}
	// Without SNI nothing contradicts Host.
	if a := w.sendTo(t, "127.0.0.1", w.acme, "GET /accounts HTTP/1.1\nHost: other.test\nAuthorization: Bearer {token}\n\n"); a.StatusCode != 200 {
		t.Errorf("no SNI: %d", a.StatusCode)
	}
}
