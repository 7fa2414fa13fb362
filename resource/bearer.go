package resource

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/certbound/certbound/resource/decision"
)

// bearerToken returns what a request has for an access token, or why it has
// none; checkB64Token says whether it can be one.
// It reads the Authorization header only (RFC 6750 §2.1). A token in the query
// is refused rather than ignored, because the caller has just written it into
// the logs on the way here (RFC 6750 §5.3, RFC 9700 §4.3.2). A token in a form
// body is not read: the body belongs to the API.
func bearerToken(r *http.Request) (string, *problem) {
	if p := checkQuery(r.URL.RawQuery); p != nil {
		return "", p
	}
	values := r.Header["Authorization"]
	switch len(values) {
	case 0:
		return "", &problem{reason: decision.TokenMissing, detail: "no Authorization header"}
	case 1:
		return parseCredentials(values[0])
	}
	return "", &problem{reason: decision.RequestMalformed, detail: "more than one Authorization header"}
}

// checkQuery refuses a query with access_token in it, and one that cannot be
// read: whoever reads it more kindly than we do might find a token there.
func checkQuery(raw string) *problem {
	if raw == "" {
		return nil
	}
	if len(raw) <= maxPlainQuery && strings.IndexByte(raw, '%') < 0 && strings.IndexByte(raw, ';') < 0 {
		return checkPlainQuery(raw)
	}
	query, err := url.ParseQuery(raw)
	if err != nil {
		return &problem{reason: decision.RequestMalformed, detail: "the query cannot be parsed"}
	}
	if query.Has(queryToken) {
		return tokenInQuery()
	}
	return nil
}

// queryToken is the parameter of RFC 6750 §2.3.
const queryToken = "access_token"

// maxPlainQuery is far from the number of parameters that net/url refuses.
const maxPlainQuery = 4 << 10

// checkPlainQuery does without a parser for a query that has nothing to decode
// in its names but a plus sign, which queryToken has none of.
func checkPlainQuery(raw string) *problem {
	for more := true; more; {
		var pair string
		pair, raw, more = strings.Cut(raw, "&")
		if name, _, _ := strings.Cut(pair, "="); name == queryToken {
			return tokenInQuery()
		}
	}
	return nil
}

func tokenInQuery() *problem {
	return &problem{reason: decision.RequestMalformed, detail: "access_token in the query; tokens go into the Authorization header only"}
}

// parseCredentials reads "Bearer" 1*SP b64token (RFC 6750 §2.1); the scheme's
// name is case-insensitive (RFC 9110 §11.1).
func parseCredentials(value string) (string, *problem) {
	scheme, rest, _ := strings.Cut(value, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", &problem{reason: decision.TokenMissing, detail: "the Authorization header is not of the Bearer scheme"}
	}
	return strings.TrimLeft(rest, " "), nil
}

// checkB64Token refuses what cannot be a token at all.
func checkB64Token(token string) *problem {
	if !isB64Token(token) {
		return &problem{reason: decision.TokenMalformed, detail: "what follows Bearer is not one b64token"}
	}
	return nil
}

// isB64Token is 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"=".
func isB64Token(s string) bool {
	s = strings.TrimRight(s, "=")
	for i := range len(s) {
		if !b64token[s[i]] {
			return false
		}
	}
	return s != ""
}

// b64token are the octets of a b64token before its padding.
var b64token = func() (table [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/") {
		table[c] = true
	}
	return table
}()
