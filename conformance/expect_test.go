package conformance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/certbound/certbound/conformance/internal/harness"
)

// refusal is what a refused request has to look like, to the caller and to the
// operator.
type refusal struct {
	status   int
	code     string
	reason   string // to the caller
	operator string // in the log; the same as reason when empty
}

// At the authorization server every failure that depends on what is registered
// looks like this.
func unbelieved(operator string) refusal {
	return refusal{http.StatusUnauthorized, "invalid_client", "client_authentication_failed", operator}
}

func badRequest(reason string) refusal {
	return refusal{http.StatusBadRequest, "invalid_request", reason, ""}
}

func badClient(reason string) refusal {
	return refusal{http.StatusUnauthorized, "invalid_client", reason, ""}
}

func badToken(reason string) refusal {
	return refusal{http.StatusUnauthorized, "invalid_token", reason, ""}
}

// nqchar is what RFC 6749 §5.2 and RFC 6750 §3 allow in error and
// error_description.
var nqchar = regexp.MustCompile(`^[\x20-\x21\x23-\x5B\x5D-\x7E]+$`)

// expectRefusal checks everything all refusals have in common, the log line
// included, and returns that line.
func expectRefusal(t *testing.T, d *harness.Dev, resp *harness.Response, want refusal) harness.Line {
	t.Helper()
	if resp.Status != want.status {
		t.Fatalf("want status %d %s, got %s", want.status, want.reason, resp)
	}
	body := resp.Refusal(t)
	if body.Error != want.code || body.Reason != want.reason {
		t.Errorf("error %q, reason %q; want %q, %q", body.Error, body.Reason, want.code, want.reason)
	}
	if !nqchar.MatchString(body.Error) || !nqchar.MatchString(body.ErrorDescription) {
		t.Errorf("error or error_description has characters it must not have: %s", resp)
	}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "Cache-Control": "no-store", "Pragma": "no-cache",
		"X-Content-Type-Options": "nosniff", "X-Request-Id": body.RequestID,
	} {
		if got := resp.Header.Values(name); len(got) != 1 || got[0] != value {
			t.Errorf("header %s is %q, want %q", name, got, value)
		}
	}
	if body.RequestID == "" {
		t.Error("request_id is empty")
	}
	return expectLogged(t, d, resp, want)
}

func expectLogged(t *testing.T, d *harness.Dev, resp *harness.Response, want refusal) harness.Line {
	t.Helper()
	operator := want.operator
	if operator == "" {
		operator = want.reason
	}
	line := d.Decision(t, resp)
	if line.Text("outcome") != "refuse" || line.Text("reason") != operator {
		t.Errorf("the log says %s %s, want refuse %s: %v", line.Text("outcome"), line.Text("reason"), operator, line)
	}
	if status := fmt.Sprint(line["status"]); status != fmt.Sprint(want.status) {
		t.Errorf("the log says status %s, the caller got %d", status, want.status)
	}
	if n := len(d.Stderr.Decisions(line.Text("request_id"))); n != 1 {
		t.Errorf("%d decision lines for one request", n)
	}
	return line
}

// expectChallenge checks the WWW-Authenticate of the resource server and
// returns its attributes.
func expectChallenge(t *testing.T, resp *harness.Response) map[string]string {
	t.Helper()
	all := resp.Header.Values("WWW-Authenticate")
	if len(all) != 1 {
		t.Fatalf("WWW-Authenticate: %q, want one", all)
	}
	rest, ok := strings.CutPrefix(all[0], "Bearer")
	if !ok {
		t.Fatalf("WWW-Authenticate: %q, want the Bearer scheme", all[0])
	}
	attributes := map[string]string{}
	matched := 0
	for _, m := range challengeAttribute.FindAllStringSubmatch(rest, -1) {
		if _, twice := attributes[m[1]]; twice {
			t.Errorf("attribute %s is there twice: %s", m[1], all[0])
		}
		attributes[m[1]] = m[2]
		matched += len(m[0])
	}
	if matched != len(rest) {
		t.Errorf("WWW-Authenticate cannot be read to its end: %s", all[0])
	}
	return attributes
}

var challengeAttribute = regexp.MustCompile(`(?:^ |, ?)([a-z_]+)="([\x20-\x21\x23-\x5B\x5D-\x7E]*)"`)

// expectAPIRefusal sends a request to the proxy that has to be refused, and
// checks that the API behind it has not seen it and the answer does not repeat
// the token.
func expectAPIRefusal(t *testing.T, d *harness.Dev, req harness.Request, want refusal) (*harness.Response, harness.Line) {
	t.Helper()
	before := d.Hits(t)
	resp := d.Send(t, req)
	line := expectRefusal(t, d, resp, want)
	if after := d.Hits(t); after != before {
		t.Errorf("a refused request reached the API: %d hits, then %d", before, after)
	}
	if want.status == http.StatusUnauthorized {
		challenge := expectChallenge(t, resp)
		code, reason := challenge["error"], want.reason
		if reason == "token_missing" {
			if code != "" {
				t.Errorf("the challenge has error=%q though no token was sent (RFC 6750 §3.1)", code)
			}
		} else if code != want.code {
			t.Errorf("the challenge has error=%q, want %q", code, want.code)
		}
	}
	return resp, line
}

// expectServed checks that a call went through.
func expectServed(t *testing.T, d *harness.Dev, resp *harness.Response) harness.Line {
	t.Helper()
	if resp.Status != http.StatusOK {
		t.Fatalf("want 200, got %s", resp)
	}
	line := d.Decision(t, resp)
	if line.Text("outcome") != "allow" {
		t.Errorf("the log says %v", line)
	}
	return line
}

// reasonOf reads the reason of a refusal of either form, and "" of other answers.
func reasonOf(r *harness.Response) string {
	var body struct {
		Reason string `json:"reason"`
	}
	if r.Status == http.StatusOK || json.Unmarshal(r.Body, &body) != nil {
		return ""
	}
	return body.Reason
}

func tokenID(t *testing.T, token string) string {
	_, claims := issued(t, token)
	id, _ := claims["jti"].(string)
	return id
}
