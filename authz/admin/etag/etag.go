// Package etag is conditional requests (RFC 9110 §13) for the admin API: strong tags,
// made of what is shown, and If-Match held against them.
package etag

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
)

// Header is the name of the one precondition that changes take.
const Header = "If-Match"

// NotTaken are the other preconditions. A change that came with one and was made
// nevertheless would be one that nobody asked for.
var NotTaken = []string{"If-None-Match", "If-Modified-Since", "If-Unmodified-Since"}

// Of is strong (RFC 9110 §8.8.1): it is made of the representation, version
// included, and so also tells what changes without the record's version, such as
// a client's certificates or the state of its partner.
func Of(view any) string {
	text, err := json.Marshal(view)
	if err != nil { // views are structs of texts, numbers and times
		panic(err)
	}
	sum := sha256.Sum256(text)
	return `"` + hex.EncodeToString(sum[:16]) + `"`
}

// Matches holds If-Match, where there is one, against the tag of the present state.
func Matches(h http.Header, tag string) bool {
	headers := h.Values(Header)
	if len(headers) == 0 {
		return true
	}
	for wanted := range strings.SplitSeq(strings.Join(headers, ","), ",") {
		if wanted = strings.TrimSpace(wanted); wanted == "*" || wanted == tag {
			return true
		}
	}
	return false
}
