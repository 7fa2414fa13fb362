package admin

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/authz/admin/refusal"
	"github.com/certbound/certbound/authz/registration"
	"github.com/certbound/certbound/storage"
)

// FuzzPlace: a cursor is read in one spelling only, the one that is written.
func FuzzPlace(f *testing.F) {
	for _, s := range []string{"1.2.3", "01.2.3", "1.2", "-1.2.3", "1.2.9223372036854775808", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		at, ok := parsePlace(text)
		if again := placeOf(&storage.AuditEvent{Time: at.Time, StreamID: at.StreamID, Seq: at.Seq}); ok && again != text {
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
		if reason, f := c.reason(true); f == nil && (reason == "" || registration.CheckName("reason", reason) != nil) {
			t.Errorf("%q gave %q", body, reason)
		}
	})
}

// FuzzBodies: whatever stands in the members of a body, what is said of it repeats
// none of it; somebody may have put a secret into the wrong place.
func FuzzBodies(f *testing.F) {
	for _, s := range []string{"hunter2-hunter2", "a b c d e f g h", `quote " in "it`, "CN=x,O=hunter2", "spiffe://hunter2 x", "-----BEGIN hunter2-----", "a..b.hunter2", "https://u:hunter2@x/", "10.0.0.hunter2", "\x00\xffbinary12"} {
		f.Add(s)
	}
	const marker = "zq7xw9kj" // that no message has by itself
	f.Fuzz(func(t *testing.T, text string) {
		secret := text + marker + text
		var bad refusal.Invalid
		jwks := &registration.JWKS{Keys: []map[string]any{{"kty": secret, "x5c": []any{secret}}, {"kty": "oct", "k": secret}}}
		for _, method := range []storage.AuthMethod{storage.TLSClientAuth, storage.SelfSignedTLSClientAuth, storage.AuthMethod(secret)} {
			for _, c := range []registration.Client{
				{ClientID: secret, PartnerID: secret, ClientName: secret, AuthMethod: method, TrustBundle: secret, JWKSURI: secret, Scope: secret, SubjectDN: secret},
				{AuthMethod: method, SANDNS: secret, TrustBundle: "b"}, {AuthMethod: method, SANURI: secret, TrustBundle: "b"}, {AuthMethod: method, SANIP: secret, TrustBundle: "b"},
				{AuthMethod: method, SANEmail: secret, TrustBundle: "b"}, {AuthMethod: method, SubjectDN: secret, TrustBundle: "b"},
				{AuthMethod: method, JWKSURI: secret}, {AuthMethod: method, JWKS: jwks},
			} {
				_, all := c.Record(time.Unix(1<<30, 0))
				bad.Faults(all)
			}
		}
		_, all := registration.API{ID: secret, Audience: secret, Scopes: []string{secret, "admin:" + secret}, SigningAlg: secret}.Record(time.Unix(1<<30, 0))
		bad.Faults(all)
		_, all = registration.Partner{ID: secret, Name: secret}.Record(time.Unix(1<<30, 0))
		bad.Faults(all)
		oneCertificate(secret, &bad)
		bundle, all := registration.TrustBundle{Name: secret, Anchors: secret, Intermediates: secret, Issuers: secret}.Record(time.Unix(1<<30, 0))
		bad.Faults(all)
		if bundle.Sound {
			t.Errorf("%q is a trust bundle", secret)
		}
		for _, e := range bad {
			if strings.Contains(e.Detail+e.Field+e.Pointer, marker) {
				t.Errorf("%q is repeated: %+v", secret, e)
			}
		}
	})
}
