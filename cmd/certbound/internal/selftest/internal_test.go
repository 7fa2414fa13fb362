package selftest

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

func TestPlaintextIsFound(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	b := &bench{}
	if outcome, seen := b.plaintext(t.Context(), strings.TrimPrefix(server.URL, "http://"), b.plainRequest("GET", "https://a.test/x")); outcome != Hole {
		t.Errorf("%s, %s", outcome, seen)
	}
	if outcome, _ := b.plaintext(t.Context(), "127.0.0.1:1", ""); outcome != Unclear {
		t.Errorf("nobody there: %s", outcome)
	}
}

// TestUnclearIsNoPass: what is neither served nor refused has shown nothing.
func TestUnclearIsNoPass(t *testing.T) {
	for want, a := range map[Outcome][]answer{
		OK:      {{Status: 400}, {Status: 401}, {Status: 413}, {Err: errors.New("remote error: tls: certificate required")}},
		Hole:    {{Status: 200}, {Status: 204}, {Status: 302}, {Status: 101}},
		Unclear: {{Status: 429}, {Status: 500}, {Status: 503}, {Err: context.DeadlineExceeded}, {Err: context.Canceled}},
	} {
		for _, one := range a {
			if got := one.refused(); got != want {
				t.Errorf("%+v is %s, want %s", one, got, want)
			}
		}
	}
	if r := (&Report{}); !r.Passed() {
		t.Error("an empty report")
	}
	r := &Report{}
	if r.add(Result{Outcome: Unclear}); r.Passed() {
		t.Error("an unclear answer passes")
	}
}

func TestRequestsAreBounded(t *testing.T) {
	b := &bench{requests: maxRequests}
	if a := b.send(t.Context(), call{method: "GET", url: "https://127.0.0.1:1"}); a.Err == nil || a.refused() == Hole {
		t.Errorf("%+v", a)
	}
}

// FuzzForgeries: whatever an issuer calls a token, forging from it does not fail
// in a way that ends the run, and never gives back the good one.
func FuzzForgeries(f *testing.F) {
	f.Add("eyJhbGciOiJFUzI1NiIsImtpZCI6ImsxIn0.eyJpc3MiOiJhIiwiY25mIjp7fX0.AAAA")
	f.Add("a.b.c")
	f.Add("opaque")
	f.Add("e30.e30.")
	f.Fuzz(func(t *testing.T, token string) {
		p, err := takeApart(token)
		if err != nil {
			return
		}
		_ = p.thumbprint()
		all, err := p.forgeries(&jose.JSONWebKeySet{}, "x")
		if err != nil {
			return
		}
		for _, one := range all {
			if one.token == token {
				t.Errorf("%s is the token itself", one.name)
			}
		}
	})
}
