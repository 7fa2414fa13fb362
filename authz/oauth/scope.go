package oauth

import (
	"slices"
	"strings"

	"github.com/certbound/certbound/resource/accesstoken"
	"github.com/certbound/certbound/resource/decision"
)

// ParseScope splits a scope parameter by the grammar of RFC 6749 §3.3: tokens
// separated by exactly one space. It returns the distinct tokens, sorted; an
// empty parameter is nil. A violation is scope_not_granted.
func ParseScope(scope string) ([]string, *Error) {
	if scope == "" {
		return nil, nil
	}
	tokens := strings.Split(scope, " ")
	for _, token := range tokens {
		if !ValidScopeToken(token) {
			return nil, Refuse(decision.ScopeNotGranted, "the scope parameter does not follow the grammar of RFC 6749 §3.3")
		}
	}
	slices.Sort(tokens)
	return slices.Compact(tokens), nil
}

// ValidScopeToken reports whether s is a scope-token of RFC 6749 §3.3.
func ValidScopeToken(s string) bool { return accesstoken.IsScopeToken(s) }

// MaxClientIDLength bounds a client_id in bytes.
const MaxClientIDLength = 128

// ValidClientID reports whether s may be a client_id here: visible ASCII
// (RFC 6749 appendix A.1 allows the space too; we do not), at most
// MaxClientIDLength bytes.
func ValidClientID(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' {
			return false
		}
	}
	return s != "" && len(s) <= MaxClientIDLength
}
