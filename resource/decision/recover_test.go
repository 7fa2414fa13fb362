package decision_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/resource/decision"
)

// served runs a handler inside Recover; it returns the answer, the log lines and
// what Recover itself panicked with.
func served(t *testing.T, journey decision.Journey, h http.HandlerFunc) (rec *httptest.ResponseRecorder, lines []map[string]any, failure any) {
	t.Helper()
	var out bytes.Buffer
	now := start
	clock := func() time.Time { now = now.Add(time.Millisecond); return now }
	rec = httptest.NewRecorder()
	func() {
		defer func() { failure = recover() }()
		logger := slog.New(slog.NewJSONHandler(&out, nil))
		decision.Recover(h, journey, decision.Sink{Logger: logger}, clock).ServeHTTP(rec, httptest.NewRequestWithContext(context.Background(), "GET", "/a%20b?secret", nil))
	}()
	for line := range strings.Lines(out.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, m)
	}
	return rec, lines, failure
}

func TestRecoverAnswers(t *testing.T) {
	for journey, words := range map[decision.Journey]string{decision.TokenRequest: "the authorization server failed", decision.APIRequest: "the resource server failed"} {
		rec, lines, failure := served(t, journey, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "7") // of the answer that was not to be
			panic("ouch")
		})
		if failure != nil {
			t.Fatalf("panicked on with %v", failure)
		}
		var body decision.Body
		if err := json.Unmarshal(rec.Body.Bytes(), &body); err != nil {
			t.Fatal(err)
		}
		if rec.Code != 500 || body.Reason != "internal_error" || !strings.HasPrefix(body.ErrorDescription, words) || rec.Header().Get("Content-Length") != "" {
			t.Errorf("%s: %d %v %s", journey, rec.Code, rec.Header(), rec.Body)
		}
		if len(lines) != 2 || lines[0]["msg"] != "panic" || lines[0]["panic"] != "ouch" || !strings.Contains(fmt.Sprint(lines[0]["stack"]), "recover_test.go") || lines[0]["request_id"] != body.RequestID {
			t.Fatalf("%s: logged %v", journey, lines)
		}
		line := lines[1]
		if line["msg"] != "decision" || line["reason"] != "internal_error" || line["journey"] != string(journey) || line["path"] != "/a%20b" ||
			line["request_id"] != body.RequestID || line["elapsed_us"] != 1000.0 || line["status"] != 500.0 {
			t.Errorf("%s: logged %v", journey, line)
		}
	}
}

// TestRecoverAfterInformation: a 103 is not the beginning of an answer.
func TestRecoverAfterInformation(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusEarlyHints); panic("ouch") })
	s := httptest.NewServer(decision.Recover(h, decision.APIRequest, decision.Sink{Logger: slog.New(slog.DiscardHandler)}, time.Now))
	defer s.Close()
	res, err := s.Client().Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 500 {
		t.Errorf("got %d", res.StatusCode)
	}
}

// TestRecoverAddsNothing: behind the beginning of an answer, and where a handler
// asked for the end of the connection, there is no second answer.
func TestRecoverAddsNothing(t *testing.T) {
	for name, tt := range map[string]struct {
		h      http.HandlerFunc
		logged int
	}{
		"header":  {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204); panic("ouch") }, 1},
		"body":    {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("half")); panic("ouch") }, 1},
		"upgrade": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(101); panic("ouch") }, 1},
		"flush": {func(w http.ResponseWriter, _ *http.Request) {
			if err := http.NewResponseController(w).Flush(); err != nil {
				panic(err)
			}
			panic("ouch")
		}, 1},
		"abort":         {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 0},
		"wrapped abort": {func(http.ResponseWriter, *http.Request) { panic(fmt.Errorf("x: %w", http.ErrAbortHandler)) }, 0},
	} {
		rec, lines, failure := served(t, decision.APIRequest, tt.h)
		if err, ok := failure.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
			t.Errorf("%s: ended with %v", name, failure)
		}
		if got := rec.Body.String(); got != "" && got != "half" || len(lines) != tt.logged {
			t.Errorf("%s: answered %q, logged %v", name, got, lines)
		}
	}
}

// TestRecoverIsTransparent: what is no panic passes, and so do deadlines.
func TestRecoverIsTransparent(t *testing.T) {
	rec, lines, failure := served(t, decision.APIRequest, func(w http.ResponseWriter, _ *http.Request) {
		if _, ok := w.(interface{ Unwrap() http.ResponseWriter }).Unwrap().(*httptest.ResponseRecorder); !ok {
			t.Error("the writer of the server cannot be reached")
		}
		w.WriteHeader(418)
	})
	if rec.Code != 418 || len(lines) != 0 || failure != nil {
		t.Errorf("%d %v %v", rec.Code, lines, failure)
	}
}

func TestNew(t *testing.T) {
	r := httptest.NewRequestWithContext(t.Context(), "PUT", "https://h/caf%c3%a9/a%40b?secret=1", nil)
	r.RemoteAddr, r.TLS = "192.0.2.1:1", &tls.ConnectionState{Version: tls.VersionTLS12}
	d := decision.New(r, decision.TokenRequest, start.In(time.FixedZone("east", 7200)))
	want := decision.Evidence{RemoteAddr: "192.0.2.1:1", Method: "PUT", Path: "/caf%c3%a9/a%40b", TLSVersion: "TLS 1.2"}
	if fmt.Sprint(d.Evidence) != fmt.Sprint(want) || d.Journey != decision.TokenRequest || d.Time != start || len(d.RequestID) != 32 || d.Allowed {
		t.Errorf("%+v", d)
	}
	r.TLS = nil
	if again := decision.New(r, decision.APIRequest, start); again.Evidence.TLSVersion != "" || again.RequestID == d.RequestID {
		t.Errorf("%+v", again)
	}
}

// TestPath: the caller's spelling, even where net/url would have another.
func TestPath(t *testing.T) {
	for raw, want := range map[string]string{"/a%2Fb": "/a%2Fb", "/a%41": "/a%41", "/": "/", "/a\\b": "/a\\b", "/a%7e": "/a%7e", "": ""} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := decision.Path(u); got != want {
			t.Errorf("Path(%q) = %q, want %q", raw, got, want)
		}
	}
}
