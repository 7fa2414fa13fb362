package conformance

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/conformance/clause"
)

// kinds are one value of each kind that JSON has, and what programs have taken for
// one another.
var kinds = map[string]string{
	"null": `null`, "true": `true`, "false": `false`, "0": `0`, "-1": `-1`, "1.5": `1.5`, "1e3": `1e3`, "1e400": `1e400`, "-0": `-0`, "2^53+1": `9007199254740993`, "2^63": `9223372036854775808`,
	"empty text": `""`, "a blank": `" "`, "text": `"x"`, "text of a number": `"4102444800"`, "NUL": `"\u0000"`, "half a surrogate": `"\ud800"`, "a star": `"*"`,
	"empty list": `[]`, "list of null": `[null]`, "list of lists": `[["x"]]`, "empty object": `{}`, "object": `{"x":1}`,
}

// mayBe are the values of kinds that a token may have; every other one must be
// refused for every claim.
var mayBe = map[string][]string{
	// Identifiers are any text that is not empty.
	"sub": {"a blank", "text", "text of a number", "a star", "NUL", "half a surrogate"},
	"jti": {"a blank", "text", "text of a number", "a star", "NUL", "half a surrogate"},
	// These two go into headers: visible ASCII.
	"client_id": {"text", "text of a number", "a star"},
	"partner":   {"text", "text of a number", "a star"},
	// Long ago is fine; zero is the generation of a client that was never revoked.
	"nbf": {"0"}, "iat": {"0"}, "gen": {"0"},
}

// TestEachClaimOfEachWrongKind forges tokens that are good but for one claim.
func TestEachClaimOfEachWrongKind(t *testing.T) {
	clause.Covers(t, "RFC9068-4-c", "RFC9068-4-d", "RFC8725-3-8", "RFC8725-3-9")
	d, acme := victim(t)
	var all []hostile
	for _, claim := range []string{"iss", "aud", "exp", "iat", "nbf", "cnf", "scope", "jti", "sub", "client_id", "partner", "gen"} {
		for _, kind := range slices.Sorted(maps.Keys(kinds)) {
			all = append(all, hostile{
				claim + " is " + kind, forged(d, goodClaims(d, acme).with(claim, json.RawMessage(kinds[kind]))), slices.Contains(mayBe[claim], kind),
			})
		}
	}
	expectHostile(t, d, &acme, all)
}

// TestAlmostTheRightValue forges tokens whose issuer, audience, scope or times are
// nearly right.
func TestAlmostTheRightValue(t *testing.T) {
	clause.Covers(t, "RFC9068-4-c", "RFC9068-4-d", "RFC8725-3-8", "RFC8725-3-9")
	d, acme := victim(t)
	good := goodClaims(d, acme)
	now := time.Now().Unix()
	all := []hostile{
		{"aud as a list of one", forged(d, good.with("aud", []string{d.Audience})), true},
		{"expired a second ago", forged(d, good.with("exp", now-1)), false},
		{"expired in milliseconds", forged(d, good.with("exp", (now+300)*1000)), false},
		{"issued in an hour", forged(d, good.with("iat", now+3600).with("exp", now+3900)), false},
		{"not before an hour", forged(d, good.with("nbf", now+3600)), false},
		{"expires before it was issued", forged(d, good.with("iat", now).with("exp", now-3600)), false},
	}
	// A header loses blanks at its ends: the API would take these for the victim.
	for _, id := range []string{"acme-billing ", " acme-billing", "acme-billing\t", "acme-billing\u00a0"} {
		all = append(all, hostile{fmt.Sprintf("client_id %q", id), forged(d, good.with("client_id", id)), false}, hostile{fmt.Sprintf("partner %q", id), forged(d, good.with("partner", id)), false})
	}
	for _, claim := range []string{"iss", "aud"} {
		value := good[claim].(string)
		for name, wrong := range nearly(value) {
			all = append(all, hostile{claim + " " + name, forged(d, good.with(claim, wrong)), false})
		}
	}
	for _, name := range []string{"iss", "aud", "exp", "iat", "cnf", "scope", "client_id", "sub", "jti"} {
		all = append(all,
			hostile{name + " twice", forged(d, twice(good, name, describe(good[name]))), false},
			hostile{name + " twice, the first is wrong", forged(d, twice(good, name, `"x"`)), false},
			hostile{name + " escaped and plain", forged(d, text(strings.Replace(good.String(), "{", fmt.Sprintf(`{"\u%04x%s":"x",`, name[0], name[1:]), 1))), false})
	}
	expectHostile(t, d, &acme, all)
}

// nearly are values that a lenient comparison takes for the right one.
func nearly(value string) map[string]any {
	return map[string]any{
		"with a slash": value + "/", "with a blank": value + " ", "with a blank in front": " " + value, "with NUL": value + "\x00", "with a line break": value + "\n",
		"in upper case": strings.ToUpper(value), "over http": strings.Replace(value, "https:", "http:", 1), "with a query": value + "?", "with a fragment": value + "#",
		"with a user": strings.Replace(value, "https://", "https://x@", 1), "with a path": value + "/x", "cut short": value[:len(value)-1], "and more": value + "0",
		"with a dot": strings.Replace(value, "localhost", "localhost.", 1), "escaped": strings.Replace(value, "l", "%6c", 1), "as an address": strings.Replace(value, "localhost", "127.0.0.1", 1),
		"with a zero width space": value + "\u200b", "with another letter of that look": strings.Replace(value, "o", "о", 1), // Cyrillic
		"in a list of lists": []any{[]string{value}}, "in an object": map[string]string{value: value},
	}
}

// twice is a payload with one member in front of all others.
func twice(c claims, name, value string) text {
	return text(strings.Replace(c.String(), "{", fmt.Sprintf("{%q:%s,", name, value), 1))
}

// TestMutatedPayloadText signs texts that are JSON to some readers only, or hold
// something around the claims.
func TestMutatedPayloadText(t *testing.T) {
	clause.Covers(t, "RFC7519-7-2")
	d, acme := victim(t)
	good := goodClaims(d, acme).String()
	all := []hostile{{"unchanged", forged(d, text(good)), true}, {"blanks around it", forged(d, text(" "+good+"\n")), true}}
	for name, payload := range map[string]string{
		"text behind it": good + "x", "another object behind it": good + "{}", "NUL behind it": good + "\x00", "a comma before the brace": strings.TrimSuffix(good, "}") + ",}",
		"a comment": strings.Replace(good, "{", "{/* */", 1), "single quotes": strings.ReplaceAll(good, `"`, `'`), "byte order mark": "\ufeff" + good, "UTF-16": wide(good),
		"not UTF-8": strings.Replace(good, `"acme"`, "\"ac\xffme\"", 1), "list": "[" + good + "]", "text": describe(good), "empty": "", "null": "null", "no object": "{",
		"unquoted name": strings.Replace(good, `"iss"`, `iss`, 1), "a tab in a text": strings.Replace(good, `"acme"`, "\"ac\tme\"", 1), "NaN": strings.Replace(good, `"gen":1`, `"gen":NaN`, 1),
		"leading zero": strings.Replace(good, `"gen":1`, `"gen":01`, 1), "hex": strings.Replace(good, `"gen":1`, `"gen":0x1`, 1), "nested too deep": strings.Replace(good, "{", `{"x":`+strings.Repeat("[", 5000)+strings.Repeat("]", 5000)+",", 1),
		"the token itself": forged(d, text(good)),
	} {
		all = append(all, hostile{name, forged(d, text(payload)), false})
	}
	expectHostile(t, d, &acme, all)
}

// wide is a text in UTF-16, big-endian.
func wide(ascii string) string {
	var out strings.Builder
	for _, c := range []byte(ascii) {
		out.Write([]byte{0, c})
	}
	return out.String()
}
