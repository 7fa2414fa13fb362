package proxy_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"testing"

	"github.com/certbound/certbound/resource/proxy"
)

// instant is an upstream that costs nothing.
type instant struct{}

func (instant) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: 200, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r, ContentLength: 2,
		Header: http.Header{"Content-Type": {"text/plain"}}, Body: io.NopCloser(strings.NewReader("ok")),
	}, nil
}

// sink is an http.ResponseWriter that keeps nothing.
type sink struct{ h http.Header }

func (s sink) Header() http.Header         { return s.h }
func (s sink) Write(p []byte) (int, error) { return len(p), nil }
func (s sink) WriteHeader(int)             {}

// BenchmarkProxy puts the proxy beside a bare httputil.ReverseProxy in one run;
// "verify" is the part that is the verifier's, without signature cache.
func BenchmarkProxy(b *testing.B) {
	w := newWorld(b)
	r := httptest.NewRequest("GET", "/accounts/7?x=1", nil)
	r.Header = http.Header{"Authorization": {"Bearer " + w.token(b)}, "Accept": {"*/*"}, "User-Agent": {"bench"}, "Accept-Encoding": {"gzip"}}
	r.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, HandshakeComplete: true, PeerCertificates: []*x509.Certificate{w.acme.Cert}}
	routes := func(n int) []proxy.Route {
		all := []proxy.Route{{Path: "/accounts/{id}", Methods: []string{"GET"}, Scopes: []string{"accounts:read"}, Upstream: w.url}}
		for i := range n - 1 {
			all = append(all, proxy.Route{Path: fmt.Sprintf("/a%d/{x}", i), Methods: []string{"GET"}, Scopes: []string{"s"}, Upstream: w.url})
		}
		return all
	}
	run := func(name string, h http.Handler) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(sink{http.Header{}}, r)
			}
		})
	}
	run("bare", &httputil.ReverseProxy{Transport: instant{}, Rewrite: func(pr *httputil.ProxyRequest) { pr.SetURL(w.url); pr.SetXForwarded() }})
	run("verify", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if _, err := w.verifier.VerifyRequest(r, "accounts:read"); err != nil {
			b.Fatal(err)
		}
	}))
	for _, n := range []int{1, 100} {
		p, err := proxy.New(proxy.Config{Verifier: w.verifier, Routes: routes(n), Transport: instant{}, Logger: slog.New(slog.DiscardHandler)})
		must(b, err)
		run(fmt.Sprintf("certbound/%d-routes", n), p)
		run(fmt.Sprintf("unknown-route/%d-routes", n), http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			u := *r.URL
			u.Path = "/nowhere/x"
			p.ServeHTTP(rw, &http.Request{Method: "GET", URL: &u, Header: r.Header})
		}))
	}
}
