package accesstoken_test

import (
	"testing"

	"github.com/certbound/certbound/resource/accesstoken"
)

// TestIsScopeToken walks every byte: RFC 6749 §3.3 names them one by one.
func TestIsScopeToken(t *testing.T) {
	for c := range 256 {
		want := c == 0x21 || 0x23 <= c && c <= 0x5b || 0x5d <= c && c <= 0x7e
		for _, s := range []string{string([]byte{byte(c)}), string([]byte{'a', byte(c)}), string([]byte{byte(c), 'a'})} {
			if accesstoken.IsScopeToken(s) != want {
				t.Errorf("IsScopeToken(%q) = %v", s, !want)
			}
		}
	}
	if accesstoken.IsScopeToken("") {
		t.Error("an empty scope-token is accepted")
	}
}
