package decision

import (
	"regexp"
	"strings"
	"testing"
)

// tables are both halves' answers.
var tables = map[string]map[Reason]Answer{
	"authorization server": atAuthorizationServer,
	"resource server":      atResourceServer,
}

// TestAnswersAreSpeakable holds every answer to what RFC 6749 §5.2 and RFC 6750
// §3 allow in a response: the same text goes into JSON and into a quoted-string.
func TestAnswersAreSpeakable(t *testing.T) {
	name := regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)
	text := regexp.MustCompile(`^[\x20-\x21\x23-\x5B\x5D-\x7E]+$`)
	for half, table := range tables {
		for reason, a := range table {
			if !name.MatchString(string(reason)) || !name.MatchString(a.Error) {
				t.Errorf("%s: %s: error code %q", half, reason, a.Error)
			}
			if !text.MatchString(a.Description) {
				t.Errorf("%s: %s: description %q", half, reason, a.Description)
			}
			if a.Status < 400 || a.Status > 599 {
				t.Errorf("%s: %s: status %d", half, reason, a.Status)
			}
		}
	}
}

// TestResourceServerStatuses pairs the codes of RFC 6750 §3.1 with their status.
func TestResourceServerStatuses(t *testing.T) {
	statuses := map[string]int{"invalid_token": 401, "insufficient_scope": 403}
	for reason, a := range atResourceServer {
		if want, ok := statuses[a.Error]; ok && a.Status != want {
			t.Errorf("%s: %s with %d", reason, a.Error, a.Status)
		}
		if strings.HasPrefix(string(reason), "token_") && a.Status != 401 {
			t.Errorf("%s: %d, a bad token is 401", reason, a.Status)
		}
		if a.Public != "" {
			t.Errorf("%s: hidden as %s; the caller holds the token, reasons are public here", reason, a.Public)
		}
	}
}

// TestClientFailuresLookAlike: what depends on the registration must not show.
func TestClientFailuresLookAlike(t *testing.T) {
	want := ClientAuthenticationFailed.AtAuthorizationServer()
	for _, reason := range []Reason{
		ClientUnknown, ClientDisabled, MethodMismatch, SubjectMismatch, CertificateNotRegistered,
		CertificateUntrusted, ChainIncomplete, CertificateWrongUsage, CertificateRevoked, RetiredBundle,
	} {
		if got := reason.AtAuthorizationServer(); got != want {
			t.Errorf("%s answers %+v, unlike the others", reason, got)
		}
	}
}

func TestAnswers(t *testing.T) {
	for _, tt := range []struct {
		answer Answer
		status int
		code   string
		public Reason
	}{
		{ThumbprintMismatch.AtResourceServer(), 401, "invalid_token", ThumbprintMismatch},
		{CertificateMissing.AtResourceServer(), 401, "invalid_token", CertificateMissing},
		{CertificateMissing.AtAuthorizationServer(), 401, "invalid_client", CertificateMissing},
		{ScopeInsufficient.AtResourceServer(), 403, "insufficient_scope", ScopeInsufficient},
		{SubjectMismatch.AtAuthorizationServer(), 401, "invalid_client", ClientAuthenticationFailed},
		{MultipleCredentials.AtAuthorizationServer(), 400, "invalid_request", ClientAuthenticationFailed},
		// A reason of the other half, or of nobody, is a mistake of ours.
		{ThumbprintMismatch.AtAuthorizationServer(), 500, "server_error", InternalError},
		{SubjectMismatch.AtResourceServer(), 500, "server_error", InternalError},
		{Reason("").AtResourceServer(), 500, "server_error", InternalError},
		{Reason("made_up").AtAuthorizationServer(), 500, "server_error", InternalError},
	} {
		if a := tt.answer; a.Status != tt.status || a.Error != tt.code || a.Public != tt.public || a.Description == "" {
			t.Errorf("got %+v, want %d %s %s", a, tt.status, tt.code, tt.public)
		}
	}
}
