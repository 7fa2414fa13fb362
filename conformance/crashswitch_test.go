package conformance

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/certbound/certbound/conformance/internal/harness"
)

func revocation(d *harness.Dev, client, token string) harness.Request {
	request := d.TokenRequest(nil, url.Values{"client_id": {client}, "token": {token}}.Encode())
	request.URL = d.Revocation
	return request
}

func adminChange(d *harness.Dev, token, path string) harness.Request {
	return harness.Request{
		Method: http.MethodPost, URL: d.Admin + "/admin/v1/" + path, Body: `{"reason":"test"}`,
		Header: http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {"application/json"}},
	}
}

// switched is what an administrator was told of the client mallory-app, over all
// crashes, and the tokens that must be dead.
type switched struct {
	disabled bool     // the state that was acknowledged last
	pending  bool     // another change was on its way when the server died
	live     []string // tokens of now, which the next disabling ends
	dead     []string // tokens of before one that was acknowledged

	acknowledged, held int
}

// step gets a token of the client while it is enabled, and then changes it. It is
// false when the server is gone.
func (s *switched) step(t *testing.T, d *harness.Dev, administrator, client *http.Client, token string) bool {
	verb := "enable"
	if !s.disabled {
		verb = "disable"
		request := d.TokenRequest(nil, harness.TokenForm("mallory-app").Encode())
		request.Client = client
		response, err := d.Try(t, request)
		if err != nil {
			return false
		}
		var answer harness.Token
		if err := json.Unmarshal(response.Body, &answer); err != nil || answer.AccessToken == "" {
			t.Errorf("a token of the enabled client: %s", response)
			return false
		}
		s.live = append(s.live, answer.AccessToken)
	}
	request := adminChange(d, token, "clients/mallory-app/"+verb)
	request.Client = administrator
	s.pending = true
	response, err := d.Try(t, request)
	if err != nil {
		return false
	}
	s.pending = false
	if response.Status != http.StatusOK {
		t.Errorf("%s: %s", verb, response)
		return false
	}
	s.acknowledged++
	s.disabled = !s.disabled
	if s.disabled {
		s.dead, s.live = append(s.dead, s.live...), nil
	}
	return true
}

// expectHeld looks at a server that has started again: the client is in the state
// that was acknowledged, and what was dead is dead. What was on its way may have
// happened or not, and is known from then on.
func (s *switched) expectHeld(t *testing.T, d *harness.Dev) {
	t.Helper()
	pair := d.Pair(t, "mallory-app")
	response := d.PostToken(t, &pair, harness.TokenForm("mallory-app"))
	disabled := response.Status == http.StatusUnauthorized
	switch {
	case !disabled && response.Status != http.StatusOK:
		t.Errorf("after a crash: %s", response)
	case s.pending && disabled != s.disabled:
		s.disabled = disabled
		if disabled {
			s.dead, s.live = append(s.dead, s.live...), nil
		}
	case disabled != s.disabled:
		t.Errorf("the client was left disabled %t; after the crash: %s", s.disabled, response)
	case s.acknowledged > 0:
		s.held++
	}
	s.pending = false
	if disabled {
		expectRefusal(t, d, response, unbelieved("client_disabled"))
	}
	const newest = 5
	for _, token := range s.dead[max(0, len(s.dead)-newest):] {
		if reason := informed(t, d, d.APIRequest(&pair, token)); reason != "client_disabled" {
			t.Errorf("a token from before the client was disabled: %q", reason)
		}
	}
}

// informed sends a request to the proxy until it has heard from the authorization
// server, and returns the reason of the refusal.
func informed(t *testing.T, d *harness.Dev, request harness.Request) string {
	t.Helper()
	deadline := time.After(patience)
	for {
		response := d.Send(t, request)
		if response.Status != http.StatusServiceUnavailable {
			return reasonOf(response)
		}
		select {
		case <-deadline:
			t.Fatalf("the proxy hears nothing: %s", response)
		default:
		}
	}
}
