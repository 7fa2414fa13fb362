package proxy_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/resource/proxy"
)

// ticking is an API that sends a line, and the next when it is told to, until its
// caller leaves.
func ticking(contentType string, next <-chan struct{}) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", contentType)
		for i := 0; ; i++ {
			fmt.Fprintf(rw, "data: %d\n\n", i)
			_ = http.NewResponseController(rw).Flush()
			select {
			case _, more := <-next:
				if !more {
					return
				}
			case <-r.Context().Done():
				return
			}
		}
	}
}

// TestStreamsAreWatched: event streams end with their token and in good order;
// other answers may be read to the end, unless something was revoked, and then
// they break off.
func TestStreamsAreWatched(t *testing.T) {
	t.Parallel()
	expire := func(w *world) { w.skew.Store(int64(10 * time.Minute)) }
	revoke := func(w *world) { w.revoke(decision.ClientDisabled) }
	for name, tt := range map[string]struct {
		contentType string
		change      func(*proxy.Route)
		happen      func(*world)
		reason      string // "" when the answer goes on
		clean       bool
	}{
		"events, expired":           {"text/event-stream; charset=utf-8", nil, expire, "token_expired", true},
		"events, revoked":           {"text/event-stream", nil, revoke, "client_disabled", true},
		"events, draining":          {"text/event-stream", nil, func(w *world) { w.drain() }, "draining", true},
		"download, expired":         {"application/octet-stream", nil, expire, "", true},
		"download, draining":        {"application/octet-stream", nil, func(w *world) { w.drain() }, "", true},
		"download, revoked":         {"application/octet-stream", nil, revoke, "client_disabled", false},
		"download, strict, expired": {"application/octet-stream", func(r *proxy.Route) { r.EndAtExpiry = true }, expire, "token_expired", false},
		"download, time limit":      {"application/octet-stream", func(r *proxy.Route) { r.Timeout = 50 * time.Millisecond }, func(*world) {}, "upstream_timeout", false},
		"events, idle":              {"text/event-stream", func(r *proxy.Route) { r.StreamIdle = 50 * time.Millisecond }, func(*world) {}, "upstream_timeout", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			both(t, func(t *testing.T, protocols ...string) {
				next := make(chan struct{})
				w := handled(t, ticking(tt.contentType, next), enable(protocols), func(_ *world, c *proxy.Config, _ *httptest.Server) {
					if tt.change != nil {
						tt.change(&c.Routes[0])
					}
				})
				res, err := w.client(t, protocols...).Do(w.request(t.Context(), t, "GET", "/accounts", nil))
				must(t, err)
				defer res.Body.Close()
				_, err = io.ReadFull(res.Body, make([]byte, len("data: 0\n\n")))
				must(t, err)
				tt.happen(w)
				if tt.reason == "" {
					// Several looks later it still goes on.
					for range 3 {
						next <- struct{}{}
						_, err = io.ReadFull(res.Body, make([]byte, len("data: 0\n\n")))
						must(t, err)
					}
					close(next)
				}
				_, err = io.Copy(io.Discard, res.Body)
				if (err == nil) != tt.clean {
					t.Errorf("the answer ended with %v", err)
				}
				if tt.reason == "" {
					return
				}
				if line := w.log.waitFor(t, "stream_ended"); line["reason"] != tt.reason || line["route"] != "/accounts" {
					t.Errorf("logged %v", line)
				}
				w.log.one(t)
			})
		})
	}
}

// TestRevokedBeforeTheAnswer: a request that waits for its upstream is answered
// with what has happened meanwhile, as if it had not been let through: no 401
// without a challenge (RFC 9110 §15.5.2), no 503 that does not say when to come back.
func TestRevokedBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	for reason, want := range map[decision.Reason]struct {
		status                int
		challenge, retryAfter string
	}{
		decision.TokenRevoked: {401,
			`Bearer realm="https://api.test", error="invalid_token", error_description="the access token has been revoked; ask for a new one"`, ""},
		decision.RevocationsStale: {503, "", "5"},
	} {
		t.Run(string(reason), func(t *testing.T) {
			t.Parallel()
			both(t, func(t *testing.T, protocols ...string) {
				asked := make(chan struct{})
				w := handled(t, func(_ http.ResponseWriter, r *http.Request) {
					close(asked)
					<-r.Context().Done()
				}, enable(protocols))
				go func() {
					<-asked
					w.revoke(reason)
				}()
				res, err := w.client(t, protocols...).Do(w.request(t.Context(), t, "GET", "/accounts", nil))
				must(t, err)
				defer res.Body.Close()
				body, err := io.ReadAll(res.Body)
				must(t, err)
				if res.StatusCode != want.status || !strings.Contains(string(body), `"`+string(reason)+`"`) ||
					res.Header.Get("WWW-Authenticate") != want.challenge || res.Header.Get("Retry-After") != want.retryAfter {
					t.Errorf("%d %v %s", res.StatusCode, res.Header, body)
				}
				line := w.log.one(t)
				if line["reason"] != string(reason) || line["outcome"] != "refuse" || line["route"] != "/accounts" || line["client_id"] != "acme-billing" {
					t.Errorf("logged %v", line)
				}
			})
		})
	}
}

// TestUploadIsWatched: what is being sent ends too.
func TestUploadIsWatched(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, protocols ...string) {
		arrived := make(chan struct{})
		w := handled(t, func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.ReadFull(r.Body, make([]byte, len("a piece")))
			close(arrived)
			_, _ = io.Copy(io.Discard, r.Body)
		}, enable(protocols))
		w.limits = &http.Server{ReadTimeout: time.Hour, WriteTimeout: time.Hour} // the rest of the body is not waited for
		body, sender := io.Pipe()
		defer sender.Close()
		go func() {
			_, _ = sender.Write([]byte("a piece"))
			<-arrived
			w.revoke(decision.TokenRevoked)
		}()
		res, err := w.client(t, protocols...).Do(w.request(t.Context(), t, "POST", "/accounts", body))
		must(t, err)
		defer res.Body.Close()
		if line := w.log.one(t); res.StatusCode != 401 || line["reason"] != "token_revoked" {
			t.Errorf("%d, logged %v", res.StatusCode, line)
		}
	})
}
