package resource

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/certbound/certbound/resource/decision"
)

// Refusal is why a request is not let through, and the error type of
// [Verifier.VerifyRequest]. Write answers with it; Decision is what to log.
type Refusal struct {
	Decision     decision.Decision
	Realm        string   // of the challenge
	ScopesNeeded []string // what would have been enough, for scope_insufficient
	// ResourceMetadata is the address of the protected resource metadata (RFC 9728
	// §5.1), for the challenge; "" says nothing.
	ResourceMetadata string
	RetryAfter       time.Duration // when to come back, for a 503; 0 says nothing
}

// Error names the reason: "resource: thumbprint_mismatch".
func (f *Refusal) Error() string { return "resource: " + string(f.Decision.Reason) }

// Write answers the caller: status, the challenge of RFC 6750 §3 where one
// belongs, and the common refusal body.
func (f *Refusal) Write(w http.ResponseWriter) {
	a := f.Decision.Reason.AtResourceServer()
	if c := f.challenge(a); c != "" {
		w.Header().Set("WWW-Authenticate", c)
	}
	if f.RetryAfter > 0 {
		// Rounded up: nobody is asked to come back too early.
		seconds := int64((f.RetryAfter + time.Second - 1) / time.Second)
		w.Header().Set("Retry-After", strconv.FormatInt(seconds, 10))
	}
	decision.WriteRefusal(w, a, f.Decision.RequestID)
}

// challenge is the value of WWW-Authenticate, or "" for answers that have
// nothing to do with the token.
func (f *Refusal) challenge(a decision.Answer) string {
	switch a.Status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
	default:
		return ""
	}
	var b strings.Builder
	b.WriteString("Bearer realm=")
	b.WriteString(quote(f.Realm))
	if f.ResourceMetadata != "" {
		b.WriteString(", resource_metadata=")
		b.WriteString(quote(f.ResourceMetadata))
	}
	if a.Public == decision.TokenMissing {
		return b.String() // RFC 6750 §3.1: no error code when no token was tried
	}
	fmt.Fprintf(&b, ", error=%s, error_description=%s", quote(a.Error), quote(a.Description))
	if len(f.ScopesNeeded) > 0 {
		b.WriteString(", scope=")
		b.WriteString(quote(strings.Join(f.ScopesNeeded, " ")))
	}
	return b.String()
}

// quote makes a quoted-string (RFC 9110 §5.6.4). What cannot stand in one is
// replaced: a header must stay one header whatever a caller of this package
// configured.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < 0x20 || c > 0x7e:
			b.WriteByte('?')
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// quotable reports whether quote keeps every octet of s.
func quotable(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}
