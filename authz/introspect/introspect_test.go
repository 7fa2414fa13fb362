package introspect_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/internal/authztest"
	"github.com/certbound/certbound/authz/introspect"
	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/resource/accesstoken"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/storage"
)

// inactive is what everybody gets who is not to rely on the token.
const inactive = `{"active":false}`

type world struct {
	*authztest.World
	server *httptest.Server
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{World: authztest.New(t)}
	endpoint, err := introspect.New(introspect.Config{
		Authenticator: w.Auth, Tokens: w.Tokens, Records: w.Broken, Audit: w.Recorder, Clock: w.Clock, Logger: w.Logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.server = w.Serve(endpoint)
	return w
}

// ask introspects token as the client with its own certificate.
func (w *world) ask(caller, token string, more ...string) authztest.Answer {
	w.T.Helper()
	return w.askOver(w.HTTPClient(w.server, w.Pair(caller)), caller, token, more...)
}

func (w *world) askOver(client *http.Client, caller, token string, more ...string) authztest.Answer {
	w.T.Helper()
	form := url.Values{"client_id": {caller}, "token": {token}}
	for i := 0; i+1 < len(more); i += 2 {
		form.Add(more[i], more[i+1])
	}
	return w.Do(client, w.Form(w.server.URL, form.Encode()))
}

func (w *world) expectInactive(t *testing.T, a authztest.Answer, why decision.Reason) {
	t.Helper()
	if a.Status != http.StatusOK || a.Body != inactive {
		t.Errorf("%d %s, want 200 %s", a.Status, a.Body, inactive)
	}
	if logged := w.Log.Decision(t, a); logged["reason"] != string(why) || logged["outcome"] != "refuse" || logged["status"] != 200.0 {
		t.Errorf("logged %v %v (%v), want %s", logged["outcome"], logged["reason"], logged["detail"], why)
	}
}

func TestActiveTokenSaysWhatTheJWTSays(t *testing.T) {
	w := newWorld(t)
	claims := w.Claims(authztest.ClientA)
	token := w.Sign(claims)
	for _, caller := range []string{authztest.AccountsServer, authztest.ClientA} {
		a := w.ask(caller, token, "token_type_hint", "nonsense")
		if a.Status != http.StatusOK {
			t.Fatalf("%s: %d %s", caller, a.Status, a.Body)
		}
		var got map[string]any
		if err := json.Unmarshal([]byte(a.Body), &got); err != nil {
			t.Fatal(err)
		}
		want := map[string]any{
			"active": true, "scope": "accounts:read", "client_id": authztest.ClientA, "token_type": "Bearer",
			"exp": float64(claims.Expiry.Unix()), "iat": float64(claims.IssuedAt.Unix()), "sub": authztest.ClientA,
			"aud": authztest.Accounts, "iss": authztest.Issuer, "jti": claims.ID, "partner": "acme",
			"cnf": map[string]any{"x5t#S256": thumbprint.Of(w.Pair(authztest.ClientA).Cert).String()},
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", caller, got, want)
		}
		for name, value := range map[string]string{"Cache-Control": "no-store", "Content-Type": "application/json"} {
			if a.Header.Get(name) != value {
				t.Errorf("%s: %q", name, a.Header.Get(name))
			}
		}
		if logged := w.Log.Decision(t, a); logged["outcome"] != "allow" || logged["jti"] != claims.ID || logged["client_id"] != caller {
			t.Errorf("logged %v", logged)
		}
	}
	if strings.Contains(w.Log.Text(), token) {
		t.Error("the token stands in the log")
	}
}

// TestOthersLearnNothing: a resource server of another API, another client of
// the same partner, and one of another partner.
func TestOthersLearnNothing(t *testing.T) {
	w := newWorld(t)
	token := w.Sign(w.Claims(authztest.ClientA))
	elsewhere := w.Claims(authztest.ClientA)
	elsewhere.Audience = []string{"https://nowhere.example"}
	for _, caller := range []string{authztest.PaymentsServer, authztest.ClientB, authztest.ClientC} {
		w.expectInactive(t, w.ask(caller, token), decision.TokenOfAnotherClient)
	}
	w.expectInactive(t, w.ask(authztest.AccountsServer, w.Sign(elsewhere)), decision.TokenOfAnotherClient)
	w.Flush()
	events := w.Events(audit.IntrospectionRefused)
	if len(events) != 4 || events[0].Reason != string(decision.TokenOfAnotherClient) || events[0].RequestID == "" {
		t.Errorf("recorded %+v", events)
	}
}

func TestTokensThatAreNone(t *testing.T) {
	w := newWorld(t)
	good := w.Sign(w.Claims(authztest.ClientA))
	payload, err := w.Claims(authztest.ClientA).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	feed, err := w.FeedRing.Sign(payload, accesstoken.Type)
	if err != nil {
		t.Fatal(err)
	}
	typed, err := w.Ring.Sign(payload, "logout+jwt")
	if err != nil {
		t.Fatal(err)
	}
	foreign := w.Claims(authztest.ClientA)
	foreign.Issuer = "https://other.example"
	later := w.Claims(authztest.ClientA)
	later.NotBefore = w.Clock().Add(time.Minute)
	old := w.Claims(authztest.ClientA)
	old.IssuedAt, old.Expiry = w.Clock().Add(-time.Hour), w.Clock()
	parts := strings.Split(good, ".")
	for name, c := range map[string]struct {
		token string
		why   decision.Reason
	}{
		"garbage":                  {"garbage", decision.TokenMalformed},
		"three dots":               {"a.b.c", decision.TokenMalformed},
		"too large":                {strings.Repeat("a", 9<<10), decision.TokenMalformed},
		"unsigned":                 {"eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0." + parts[1] + ".", decision.KeyUnknown},
		"signature of another":     {parts[0] + "." + parts[1] + "." + strings.Split(w.Sign(w.Claims(authztest.ClientA)), ".")[2], decision.SignatureInvalid},
		"payload of another":       {parts[0] + "." + strings.Split(w.Sign(w.Claims(authztest.ClientB)), ".")[1] + "." + parts[2], decision.SignatureInvalid},
		"key of another purpose":   {feed, decision.KeyUnknown},
		"another type":             {typed, decision.TypeRefused},
		"another issuer":           {w.Sign(foreign), decision.IssuerMismatch},
		"not yet valid":            {w.Sign(later), decision.TokenNotYetValid},
		"expires at this second":   {w.Sign(old), decision.TokenExpired},
		"certificate instead":      {"MIIB", decision.TokenMalformed},
		"surrounded by whitespace": {" " + good, decision.TokenMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			w.expectInactive(t, w.ask(authztest.AccountsServer, c.token), c.why)
		})
	}
	if a := w.ask(authztest.AccountsServer, good); !strings.HasPrefix(a.Body, `{"active":true,`) {
		t.Errorf("the good one: %s", a.Body)
	}
}

// TestEndings: each thing that ends a token before its time, with the twin that
// it does not touch.
func TestEndings(t *testing.T) {
	deny := func(kind storage.FeedKind, subject func(w *world, c *accesstoken.Claims) string) func(*world, *accesstoken.Claims) {
		return func(w *world, c *accesstoken.Claims) {
			w.Update(func(ctx context.Context, tx storage.Tx) error {
				_, err := tx.AppendFeed(ctx, []storage.FeedEntry{{
					Kind: kind, Action: storage.FeedDeny, Subject: subject(w, c), CreatedAt: w.Clock(), ExpiresAt: w.Clock().Add(time.Hour),
				}})
				return err
			})
		}
	}
	for _, c := range []struct {
		name    string
		end     func(*world, *accesstoken.Claims)
		why     decision.Reason
		touches bool // the other client's token, too
	}{
		{"token denied", deny(storage.FeedToken, func(_ *world, c *accesstoken.Claims) string { return c.ID }), decision.TokenRevoked, false},
		{"certificate in the feed", deny(storage.FeedCertificate, func(_ *world, c *accesstoken.Claims) string { return c.Thumbprint.String() }), decision.CertificateRevoked, false},
		{"certificate taken from the client", deny(storage.FeedBinding, func(_ *world, c *accesstoken.Claims) string { return c.ClientID + " " + c.Thumbprint.String() }), decision.CertificateRevoked, false},
		{"key denied", deny(storage.FeedKey, func(w *world, _ *accesstoken.Claims) string { return w.Ring.KeyID() }), decision.TokenRevoked, true},
		{"certificate denied", denyCertificate, decision.CertificateRevoked, false},
		{"generation raised", func(w *world, c *accesstoken.Claims) {
			w.Update(func(ctx context.Context, tx storage.Tx) error {
				_, err := tx.RaiseGeneration(ctx, c.ClientID, w.Clock())
				return err
			})
		}, decision.ClientDisabled, false},
		{"client disabled", func(w *world, c *accesstoken.Claims) { disable(w, c.ClientID) }, decision.ClientDisabled, false},
		{"partner disabled", func(w *world, _ *accesstoken.Claims) {
			w.Update(func(ctx context.Context, tx storage.Tx) error {
				p, err := tx.Partner(ctx, "globex")
				if err != nil {
					return err
				}
				p.Disabled = true
				return tx.UpdatePartner(ctx, p)
			})
		}, decision.ClientDisabled, false},
		{"expired", func(w *world, _ *accesstoken.Claims) { w.Advance(5 * time.Minute) }, decision.TokenExpired, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			claims, other := w.Claims(authztest.ClientC), w.Claims(authztest.ClientA)
			token, twin := w.Sign(claims), w.Sign(other)
			client := w.HTTPClient(w.server, w.Pair(authztest.AccountsServer))
			if a := w.askOver(client, authztest.AccountsServer, token); !strings.HasPrefix(a.Body, `{"active":true,`) {
				t.Fatalf("before: %s", a.Body)
			}
			c.end(w, claims)
			w.expectInactive(t, w.askOver(client, authztest.AccountsServer, token), c.why)
			if a := w.askOver(client, authztest.AccountsServer, twin); strings.HasPrefix(a.Body, `{"active":true,`) == c.touches {
				t.Errorf("the other client's token: %s", a.Body)
			}
		})
	}
	t.Run("client gone", func(t *testing.T) {
		w := newWorld(t)
		claims := w.Claims(authztest.ClientC)
		claims.ClientID = "client-that-was"
		w.expectInactive(t, w.ask(authztest.AccountsServer, w.Sign(claims)), decision.ClientUnknown)
	})
	t.Run("a lifted denial ends nothing", func(t *testing.T) {
		w := newWorld(t)
		claims := w.Claims(authztest.ClientC)
		denyCertificate(w, claims)
		w.Update(func(ctx context.Context, tx storage.Tx) error {
			return tx.LiftCertificate(ctx, claims.Thumbprint, w.Clock())
		})
		if a := w.ask(authztest.AccountsServer, w.Sign(claims)); !strings.HasPrefix(a.Body, `{"active":true,`) {
			t.Errorf("%s", a.Body)
		}
	})
}

func denyCertificate(w *world, c *accesstoken.Claims) {
	w.Update(func(ctx context.Context, tx storage.Tx) error {
		return tx.DenyCertificate(ctx, storage.CertificateDenial{Thumbprint: c.Thumbprint, Reason: "lost", CreatedAt: w.Clock()})
	})
}

func disable(w *world, id string) {
	w.Update(func(ctx context.Context, tx storage.Tx) error {
		client, err := tx.Client(ctx, id)
		if err != nil {
			return err
		}
		client.Disabled = true
		return tx.UpdateClient(ctx, client)
	})
}

func TestRefusedCallers(t *testing.T) {
	w := newWorld(t)
	token := w.Sign(w.Claims(authztest.ClientA))
	rs := authztest.AccountsServer
	stranger := keystest.SelfSigned(t, keystest.DNS(rs+".example"))
	good := url.Values{"client_id": {rs}, "token": {token}}.Encode()
	for _, c := range []struct {
		name, body   string
		pair         *keystest.Pair
		status       int
		code         string
		public, real decision.Reason
	}{
		{"no certificate", good, nil, 401, "invalid_client", decision.CertificateMissing, decision.CertificateMissing},
		{"the id of one, the certificate of another", good, w.Pair(authztest.ClientB), 401, "invalid_client", decision.ClientAuthenticationFailed, decision.SubjectMismatch},
		{"certificate of nobody", good, &stranger, 401, "invalid_client", decision.ClientAuthenticationFailed, decision.CertificateUntrusted},
		{"no client_id", "token=" + token, w.Pair(rs), 400, "invalid_request", decision.RequestMalformed, decision.RequestMalformed},
		{"no token", "client_id=" + rs, w.Pair(rs), 400, "invalid_request", decision.RequestMalformed, decision.RequestMalformed},
		{"empty token", "token=&client_id=" + rs, w.Pair(rs), 400, "invalid_request", decision.RequestMalformed, decision.RequestMalformed},
		{"two tokens", good + "&token=" + token, w.Pair(rs), 400, "invalid_request", decision.ParameterRepeated, decision.ParameterRepeated},
		{"a secret too", good + "&client_secret=x", w.Pair(rs), 400, "invalid_request", decision.ClientAuthenticationFailed, decision.MultipleCredentials},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := w.Do(w.HTTPClient(w.server, c.pair), w.Form(w.server.URL, c.body))
			if a.Status != c.status || a.Error() != c.code || a.Reason() != string(c.public) {
				t.Errorf("%d %s, want %d %s %s", a.Status, a.Body, c.status, c.code, c.public)
			}
			if logged := w.Log.Decision(t, a); logged["reason"] != string(c.real) {
				t.Errorf("logged %v, want %s", logged["reason"], c.real)
			}
		})
	}
	t.Run("a token in the URI is none", func(t *testing.T) {
		a := w.Do(w.HTTPClient(w.server, w.Pair(rs)), w.Form(w.server.URL+"?token="+token, "client_id="+rs))
		if a.Status != 400 || a.Reason() != string(decision.RequestMalformed) {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	})
	w.Flush()
	if n := len(w.Events(audit.IntrospectionRefused)); n != 9 {
		t.Errorf("%d refusals recorded, want 9", n)
	}
}

// TestCallerEndsOnItsOpenConnection: the caller's own standing is looked at on
// each request.
func TestCallerEndsOnItsOpenConnection(t *testing.T) {
	for name, c := range map[string]struct {
		end func(*world)
		why decision.Reason
	}{
		"certificate revoked": {func(w *world) { denyCertificate(w, w.Claims(authztest.AccountsServer)) }, decision.CertificateRevoked},
		"client disabled":     {func(w *world) { disable(w, authztest.AccountsServer) }, decision.ClientDisabled},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			token := w.Sign(w.Claims(authztest.ClientA))
			client := w.HTTPClient(w.server, w.Pair(authztest.AccountsServer))
			if a := w.askOver(client, authztest.AccountsServer, token); a.Status != http.StatusOK {
				t.Fatalf("before: %d %s", a.Status, a.Body)
			}
			c.end(w)
			a := w.askOver(client, authztest.AccountsServer, token)
			if a.Status != 401 || a.Reason() != string(decision.ClientAuthenticationFailed) || w.Log.Decision(t, a)["reason"] != string(c.why) {
				t.Errorf("%d %s, logged %v", a.Status, a.Body, w.Log.Decision(t, a)["reason"])
			}
		})
	}
}

// TestDatabaseGone: nobody is told "inactive" because we cannot know.
func TestDatabaseGone(t *testing.T) {
	w := newWorld(t)
	token := w.Sign(w.Claims(authztest.ClientA))
	for _, method := range []string{"Client", "APIByAudience", "Denied", "CertificateDenied"} {
		w.Broken.Break(method)
		a := w.ask(authztest.AccountsServer, token)
		if a.Status != 503 || a.Reason() != string(decision.StorageUnavailable) || a.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %d %s", method, a.Status, a.Body)
		}
	}
	w.Broken.Break()
	if a := w.ask(authztest.AccountsServer, token); a.Status != 200 {
		t.Errorf("afterwards: %d %s", a.Status, a.Body)
	}
}

func TestNewWantsEverything(t *testing.T) {
	if _, err := introspect.New(introspect.Config{}); err == nil || err.Error() != "introspect: a dependency in Config is missing" {
		t.Errorf("New: %v", err)
	}
}
