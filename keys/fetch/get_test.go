package fetch

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/certbound/certbound/keys/keystest"
)

var jsonOnly = []string{"application/json"}

// peer is a real TLS server on loopback and a client that may call it.
type peer struct {
	*httptest.Server
	ca     *keystest.CA
	client *Client
	hits   atomic.Int64
}

func newPeer(t *testing.T, change func(*Config), answer http.HandlerFunc) *peer {
	t.Helper()
	p := &peer{ca: keystest.NewCA(t, "Servers")}
	p.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.hits.Add(1)
		answer(w, r)
	}))
	p.TLS = &tls.Config{Certificates: []tls.Certificate{p.ca.Server(t, keystest.DNS("partner.example"), keystest.IP("127.0.0.1")).TLS()}}
	p.Config.ErrorLog = log.New(io.Discard, "", 0)
	p.StartTLS()
	t.Cleanup(p.Close)
	c := Config{Roots: p.ca.Pool(), Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}
	if change != nil {
		change(&c)
	}
	var err error
	if p.client, err = New(c); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *peer) get(t *testing.T) (string, error) {
	t.Helper()
	body, err := p.client.Get(t.Context(), Request{URL: p.URL + "/jwks", Accept: jsonOnly, MaxBytes: 1000})
	return string(body), err
}

func sendJSON(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = io.WriteString(w, body)
	}
}

func TestGet(t *testing.T) {
	var seen http.Header
	p := newPeer(t, nil, func(w http.ResponseWriter, r *http.Request) {
		seen = r.Header.Clone()
		w.Header().Set("Set-Cookie", "a=b")
		sendJSON(`{"keys":[]}`)(w, r)
	})
	for range 2 { // the second one would bring the cookie back
		if body, err := p.get(t); err != nil || body != `{"keys":[]}` {
			t.Fatalf("%q, %v", body, err)
		}
	}
	for name := range seen {
		if !strings.Contains("Accept Accept-Encoding User-Agent Connection", name) {
			t.Errorf("the request says %s: %v", name, seen[name])
		}
	}
	if seen.Get("Accept-Encoding") != "identity" || seen.Get("Connection") != "close" {
		t.Errorf("the request says %v", seen)
	}
}

func TestAnswersThatAreRefused(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		answer     http.HandlerFunc
	}{
		{"not found", "fetch: the server answered 404 instead of 200", http.NotFound},
		{"redirect", "fetch: the server answered 302, and no redirect is followed", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://127.0.0.1:1/", http.StatusFound)
		}},
		{"not modified", "fetch: the server answered 304, and no redirect is followed", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(304) }},
		{"no content", "fetch: the server answered 204 instead of 200", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }},
		{"a page", `fetch: the answer is "text/html; charset=utf-8" and not application/json`, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
		}},
		{"no type", "fetch: the answer has 0 Content-Type headers instead of one", func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = nil
		}},
		{"two types", "fetch: the answer has 2 Content-Type headers instead of one", func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = []string{"application/json", "text/html"}
		}},
		{"too large", "fetch: the answer has more than 1000 bytes", sendJSON(strings.Repeat(" ", 1001))},
		{"too large, chunked", "fetch: the answer has more than 1000 bytes", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			for range 1001 {
				_, _ = io.WriteString(w, " ")
				_ = http.NewResponseController(w).Flush()
			}
		}},
		{"compressed", "fetch: the answer is compressed, although that was not asked for", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = z.Write(bytes.Repeat([]byte(" "), 10<<20))
			_ = z.Close()
		}},
		{"cut off", "fetch: reading the answer: unexpected EOF", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100")
			sendJSON(`{`)(w, r)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPeer(t, nil, tt.answer)
			body, err := p.get(t)
			if err == nil || err.Error() != tt.want || body != "" {
				t.Errorf("%q, %v; want %s", body, err, tt.want)
			}
			if p.hits.Load() != 1 {
				t.Errorf("%d requests", p.hits.Load())
			}
		})
	}
	t.Run("long header", func(t *testing.T) {
		p := newPeer(t, nil, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Long", strings.Repeat("a", maxHeader+1))
			sendJSON("{}")(w, r)
		})
		if _, err := p.get(t); err == nil || !strings.Contains(err.Error(), "exceeded") {
			t.Error(err)
		}
	})
}

// TestSlowServers: neither a silent server nor one that drips holds us longer than
// Timeout.
func TestSlowServers(t *testing.T) {
	for name, first := range map[string]string{"silent": "", "drips": " "} {
		t.Run(name, func(t *testing.T) {
			done := make(chan struct{})
			p := newPeer(t, func(c *Config) { c.Timeout = 300 * time.Millisecond }, func(w http.ResponseWriter, r *http.Request) {
				defer close(done)
				ticker := time.NewTicker(10 * time.Millisecond)
				defer ticker.Stop()
				w.Header().Set("Content-Type", "application/json")
				for {
					select {
					case <-r.Context().Done():
						return
					case <-ticker.C:
						if first != "" {
							_, _ = io.WriteString(w, first)
							_ = http.NewResponseController(w).Flush()
						}
					}
				}
			})
			_, err := p.get(t)
			if err == nil || err.Error() != "fetch: not finished within 300ms" {
				t.Error(err)
			}
			<-done // the connection is closed, the server notices
		})
	}
	t.Run("the caller ends", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		p := newPeer(t, nil, func(_ http.ResponseWriter, r *http.Request) {
			cancel()
			<-r.Context().Done()
		})
		if _, err := p.client.Get(ctx, Request{URL: p.URL, Accept: jsonOnly}); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func TestWhomItBelieves(t *testing.T) {
	t.Run("another CA", func(t *testing.T) {
		p := newPeer(t, func(c *Config) { c.Roots = keystest.NewCA(t, "Others").Pool() }, sendJSON("{}"))
		var unknown x509.UnknownAuthorityError
		if _, err := p.get(t); !errors.As(err, &unknown) || p.hits.Load() != 0 {
			t.Errorf("%v, %d requests", err, p.hits.Load())
		}
	})
	t.Run("no roots", func(t *testing.T) {
		p := newPeer(t, func(c *Config) { c.Roots = nil }, sendJSON("{}"))
		if _, err := p.get(t); !errors.Is(err, ErrNoRoots) || p.hits.Load() != 0 {
			t.Errorf("%v, %d requests", err, p.hits.Load())
		}
	})
	t.Run("another name", func(t *testing.T) {
		p := newPeer(t, nil, sendJSON("{}"))
		var other x509.HostnameError
		_, err := p.client.Get(t.Context(), Request{URL: strings.Replace(p.URL, "127.0.0.1", "localhost", 1), Accept: jsonOnly})
		if !errors.As(err, &other) || p.hits.Load() != 0 {
			t.Errorf("%v, %d requests", err, p.hits.Load())
		}
	})
}

// TestPlain: http is for those who ask for it, and needs no roots.
func TestPlain(t *testing.T) {
	server := httptest.NewServer(sendJSON("{}"))
	t.Cleanup(server.Close)
	c, err := New(Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Get(t.Context(), Request{URL: server.URL, Accept: jsonOnly}); err == nil || err.Error() != "fetch: not an https URL" {
		t.Error(err)
	}
	if body, err := c.Get(t.Context(), Request{URL: server.URL, Accept: jsonOnly, Plain: true}); err != nil || string(body) != "{}" {
		t.Errorf("%q, %v", body, err)
	}
}

// TestNoProxy: an environment that names a proxy does not redirect us.
func TestNoProxy(t *testing.T) {
	var called atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called.Add(1) }))
	t.Cleanup(proxy.Close)
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"} {
		t.Setenv(name, proxy.URL)
	}
	p := newPeer(t, nil, sendJSON("{}"))
	transport := p.client.http.Transport.(*http.Transport)
	if transport.Proxy != nil { // ProxyFromEnvironment would pass loopback by
		t.Error("the transport asks for a proxy")
	}
	if _, err := p.get(t); err != nil || called.Load() != 0 {
		t.Errorf("%v, the proxy was called %d times", err, called.Load())
	}
}

func TestSpecialAddressesAreNotCalled(t *testing.T) {
	p := newPeer(t, func(c *Config) { c.Allow = nil }, sendJSON("{}"))
	u, err := url.Parse(p.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "[::]"} {
		_, err := p.client.Get(t.Context(), Request{URL: fmt.Sprintf("https://%s:%s/", host, u.Port()), Accept: jsonOnly})
		refused := (*AddressError)(nil)
		if !errors.As(err, &refused) {
			t.Errorf("%s: %v", host, err)
		}
	}
	if p.hits.Load() != 0 {
		t.Errorf("%d requests", p.hits.Load())
	}
}

func TestNewRefuses(t *testing.T) {
	for want, c := range map[string]Config{
		"fetch: Timeout 1h0m0s is not within 1m0s":     {Timeout: time.Hour},
		"fetch: Allow[0]: 10.0.0.1/8 is not a network": {Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/8")}},
	} {
		if _, err := New(c); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	c, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Get(t.Context(), Request{URL: "https://a.example"}); err == nil {
		t.Error("no media type is accepted, and none was missed")
	}
}
