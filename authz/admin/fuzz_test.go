package admin

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/certbound/certbound/storage"
)

// FuzzPlace: a cursor is read in one spelling only, the one that is written.
func FuzzPlace(f *testing.F) {
	for _, s := range []string{"1.2.3", "01.2.3", "1.2", "-1.2.3", "1.2.9223372036854775808", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		at, ok := parsePlace(text)
		if again := placeOf(storage.AuditEvent{Time: at.Time, StreamID: at.StreamID, Seq: at.Seq}); ok && again != text {
			t.Errorf("%q reads as %q", text, again)
		}
	})
}

// FuzzReason: a body is refused, or gives a reason that may be shown.
func FuzzReason(f *testing.F) {
	for _, s := range []string{`{"reason":"a"}`, `{"reason":"\u0000"}`, `{"reason":["a"]}`, `{`, `null`, ``, `{"reason":"a","reason":"b"}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		c := &call{Request: r, w: httptest.NewRecorder()}
		if reason, f := c.reason(true); f == nil && (reason == "" || checkName("reason", reason) != nil) {
			t.Errorf("%q gave %q", body, reason)
		}
	})
}
