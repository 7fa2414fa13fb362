package decision_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/certbound/certbound/resource/decision"
)

// whole has every member set.
func whole(text string) *decision.Decision {
	d := &decision.Decision{Time: start, RequestID: "id", Journey: decision.APIRequest}
	d.Evidence = decision.Evidence{
		RemoteAddr: "192.0.2.1:1", Method: text, Path: "/" + text, Route: "/accounts", TLSVersion: "TLS 1.3", TLSCurve: "X25519MLKEM768", TLSProtocol: "h2",
		Certificate: decision.Certificate{Thumbprint: "x", Subject: text, Issuer: "CN=ca", Serial: "0f", NotAfter: start},
		ClientID:    "acme-billing", Partner: "acme", ClaimedClientID: text, AuthMethod: "tls_client_auth", TrustBundle: "partners@3",
		Issuer: "https://as.example", Audience: text, TokenID: "one", KeyID: text,
		ScopesNeeded: []string{"a", text}, ScopesHeld: []string{text}, Expected: "x", Seen: text, Detail: "why",
		UpstreamStatus: 204, ClaimsUnverified: true,
	}
	d.Refuse(decision.ThumbprintMismatch, 401, start.Add(1500*time.Microsecond))
	return d
}

// object reads the members that are written.
func object(t *testing.T, d *decision.Decision, omit map[string]bool) map[string]any {
	t.Helper()
	text := append(d.AppendJSON([]byte("{"), omit), '}')
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return out
}

// FuzzAppendJSON: whatever a stranger had logged, what is written directly is what
// slog's own handler would have written.
func FuzzAppendJSON(f *testing.F) {
	for _, seed := range []string{"", "plain", `"`, "\\", "\x00\x1f\x7f", "\xff\xfe", "é", "\u2028", "<&>", strings.Repeat("é", 400)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, d := range []*decision.Decision{whole(text), {Evidence: decision.Evidence{Detail: text}}} {
			want := logged(t, d)
			delete(want, "level")
			delete(want, "msg")
			if diff := cmp.Diff(want, object(t, d, nil)); diff != "" {
				t.Errorf("(-slog +ours):\n%s", diff)
			}
		}
	})
}

func TestAppendJSONOmits(t *testing.T) {
	d := whole("x")
	want := object(t, d, nil)
	omit := map[string]bool{"request_id": true, "reason": true, "certificate": true, "status": true, "claims_unverified": true, "elapsed_us": true, "scopes_held": true}
	for key := range omit {
		if _, there := want[key]; !there {
			t.Errorf("%s was not there to be omitted", key)
		}
		delete(want, key)
	}
	if diff := cmp.Diff(want, object(t, d, omit)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestAttributesHaveNoEqual: a member that stood there twice would be read as
// either.
func TestAttributesHaveNoEqual(t *testing.T) {
	seen := map[string]bool{}
	for _, a := range whole("x").Attrs() {
		if seen[a.Key] {
			t.Errorf("%s is there twice", a.Key)
		}
		seen[a.Key] = true
	}
}

// own is a handler that writes decisions in its own way.
type own struct {
	slog.Handler
	level slog.Level
	out   *bytes.Buffer
}

func (o own) Enabled(_ context.Context, level slog.Level) bool { return level >= o.level }

func (o own) HandleDecision(_ context.Context, now time.Time, level slog.Level, d *decision.Decision) error {
	if time.Since(now) > time.Hour {
		o.out.WriteString("long ago ")
	}
	o.out.WriteString(level.String() + " " + string(d.Reason))
	return nil
}

func TestLogLeavesALineToItsHandler(t *testing.T) {
	for _, c := range []struct {
		level slog.Level
		want  string
	}{{slog.LevelInfo, "WARN thumbprint_mismatch"}, {slog.LevelError, ""}} {
		var out, record bytes.Buffer
		whole("x").Log(t.Context(), slog.New(own{slog.NewJSONHandler(&record, nil), c.level, &out}))
		if out.String() != c.want || record.Len() > 0 {
			t.Errorf("%q and %q, want %q", out.String(), record.String(), c.want)
		}
	}
}
