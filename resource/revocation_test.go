package resource_test

import (
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/accesstoken"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/resource/revokefeed"
)

var _ resource.Revocations = (*revokefeed.Follower)(nil)

// ledger is a Revocations that says what it is told to, and remembers what it
// was asked.
type ledger struct {
	mu     sync.Mutex
	reason decision.Reason
	err    error
	asked  []string
}

func (l *ledger) Check(c *accesstoken.Claims, keyID string) (decision.Reason, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked = append(l.asked, c.ClientID+" "+c.ID+" "+keyID+" "+c.Thumbprint.String())
	return l.reason, l.err
}

func (l *ledger) say(reason decision.Reason, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reason, l.err, l.asked = reason, err, nil
}

func (l *ledger) questions() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.asked)
}

var errStale = errors.New("revokefeed: stale: the last good answer is 42s old")

func TestRevocations(t *testing.T) {
	for _, tt := range []struct {
		name       string
		said       decision.Reason
		err        error
		serveStale bool
		want       decision.Reason
		status     int
		detail     string
	}{
		{"nothing", "", nil, false, "", 0, ""},
		{"token", decision.TokenRevoked, nil, false, decision.TokenRevoked, 401, "the token, or the key that signed it, has been revoked"},
		{"certificate", decision.CertificateRevoked, nil, false, decision.CertificateRevoked, 401, "the certificate that the token is bound to has been revoked"},
		{"client", decision.ClientDisabled, nil, false, decision.ClientDisabled, 401, "the token is of a generation of its client that is no longer valid"},
		{"stale", "", errStale, false, decision.RevocationsStale, 503, errStale.Error()},
		{"stale and known to be dead", decision.TokenRevoked, errStale, false, decision.TokenRevoked, 401, "the token, or the key that signed it, has been revoked"},
		{"stale and served", "", errStale, true, "", 0, "served although revocations are stale: " + errStale.Error()},
		{"stale, served, and known to be dead", decision.TokenRevoked, errStale, true, decision.TokenRevoked, 401, "the token, or the key that signed it, has been revoked"},
		{"a reason of nobody's", "made_up", nil, true, "made_up", 500, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := &ledger{reason: tt.said, err: tt.err}
			b := newBench(t, func(c *resource.Config) { c.Revocations, c.InsecureServeStale = l, tt.serveStale })
			token, err := b.verifier.VerifyRequest(request(b.token(b.acme), &b.acme), "accounts:read")
			if got := reason(t, err); got != tt.want {
				t.Fatalf("got %q, want %q", got, tt.want)
			}
			if err == nil {
				if token.Decision.Evidence.Detail != tt.detail {
					t.Errorf("detail %q", token.Decision.Evidence.Detail)
				}
				return
			}
			var refusal *resource.Refusal
			if !errors.As(err, &refusal) || refusal.Decision.Status != tt.status || refusal.Decision.Evidence.Detail != tt.detail {
				t.Errorf("refused with %d: %q", refusal.Decision.Status, refusal.Decision.Evidence.Detail)
			}
			if e := refusal.Decision.Evidence; e.ClientID != "acme-billing" || e.TokenID != "one" || e.KeyID != keyID || e.ClaimsUnverified {
				t.Errorf("evidence %+v", e)
			}
		})
	}
}

// TestRevocationsAreAskedInTheirTurn: after the signature, so that a stranger's
// token says nothing about what is revoked, and before the scopes, so that a
// dead token is not told which scopes it would need.
func TestRevocationsAreAskedInTheirTurn(t *testing.T) {
	l := &ledger{reason: decision.TokenRevoked}
	b := newBench(t, func(c *resource.Config) { c.Revocations = l })
	good := b.token(b.acme)
	forged := good[:strings.LastIndex(good, ".")+1] + encode(strings.Repeat("x", 64))
	if _, err := b.verifier.VerifyRequest(request(forged, &b.acme)); reason(t, err) != decision.SignatureInvalid {
		t.Errorf("forged: %v", err)
	}
	if _, err := b.verifier.VerifyRequest(request(good, &b.mallory)); reason(t, err) != decision.ThumbprintMismatch {
		t.Errorf("stolen: %v", err)
	}
	if asked := l.questions(); len(asked) != 0 {
		t.Errorf("asked about tokens that are refused anyway: %q", asked)
	}
	if _, err := b.verifier.VerifyRequest(request(good, &b.acme), "accounts:write"); reason(t, err) != decision.TokenRevoked {
		t.Errorf("without the scope: %v", err)
	}
	want := "acme-billing one " + keyID + " "
	if asked := l.questions(); len(asked) != 1 || !strings.HasPrefix(asked[0], want) {
		t.Errorf("asked %q, want %q and the thumbprint", asked, want)
	}
}

// TestRevocationReachesOpenConnections holds one connection open through
// everything that revocations can say.
func TestRevocationReachesOpenConnections(t *testing.T) {
	l := &ledger{}
	a := &api{}
	a.bench = newBench(t, func(c *resource.Config) { c.Revocations, c.Logger = l, slog.New(slog.DiscardHandler) })
	a.server = httptest.NewUnstartedServer(a.verifier.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "served")
	})))
	a.server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert, SessionTicketsDisabled: true, MinVersion: tls.VersionTLS13}
	a.server.StartTLS()
	t.Cleanup(a.server.Close)
	client, token := a.client(t, &a.acme, false), a.token(a.acme)
	for _, tt := range []struct {
		said   decision.Reason
		err    error
		status int
		want   decision.Reason
		retry  string
		code   string
	}{
		{"", nil, 200, "", "", ""},
		{decision.TokenRevoked, nil, 401, decision.TokenRevoked, "", `error="invalid_token"`},
		{"", nil, 200, "", "", ""},
		{decision.CertificateRevoked, nil, 401, decision.CertificateRevoked, "", `error="invalid_token"`},
		{decision.ClientDisabled, nil, 401, decision.ClientDisabled, "", `error="invalid_token"`},
		{"", errStale, 503, decision.RevocationsStale, "5", ""},
		{"", nil, 200, "", "", ""},
	} {
		l.say(tt.said, tt.err)
		status, why, header := a.get(t, client, token)
		challenge := header.Get("WWW-Authenticate")
		if status != tt.status || why != tt.want || header.Get("Retry-After") != tt.retry || !strings.Contains(challenge, tt.code) || (tt.code == "") != (challenge == "") {
			t.Errorf("%q, %v: got %d %s, challenge %q, retry %q", tt.said, tt.err, status, why, challenge, header.Get("Retry-After"))
		}
	}
}
