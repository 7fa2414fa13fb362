package explain

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/resource/jwks"
)

// hints names what a failed check saw.
func (e *explainer) hints(s resource.Step) []string {
	if s.Outcome != resource.Failed {
		return nil
	}
	switch s.Check {
	case resource.StepForm, resource.StepAuthorization:
		return e.form()
	case resource.StepAlgorithm:
		return algorithm(s.Seen)
	case resource.StepType:
		return typ(s.Seen)
	case resource.StepClaims:
		return e.claimHints(s)
	case resource.StepIssuer:
		return nearMiss("issuer", s.Expected, s.Seen)
	case resource.StepAudience:
		return e.audience(s)
	case resource.StepExpiry:
		return []string{fmt.Sprintf("it expired %s ago; exp has no leeway", span(e.Now.Sub(e.claims.Expiry)))}
	case resource.StepIssuedAt:
		return e.clock("iat", e.claims.IssuedAt)
	case resource.StepNotBefore:
		return e.clock("nbf", e.claims.NotBefore)
	case resource.StepPeriod:
		return e.period()
	case resource.StepBinding:
		return e.binding(s.Expected)
	case resource.StepSignature:
		return e.signature(s)
	case resource.StepScopes:
		return scopeHints(s)
	}
	return nil
}

// form tells other kinds of token apart.
func (e *explainer) form() []string {
	parts := strings.Split(e.token, ".")
	_, notHex := hex.DecodeString(strings.ReplaceAll(e.token, "-", ""))
	switch {
	case len(parts) == 5:
		return []string{"five parts are an encrypted token (JWE): only the resource server that has the key can read it, and certbound issues none"}
	case len(parts) == 1 && notHex == nil:
		return []string{"it is hex, or a UUID: an opaque token, a jti or a request_id; only the introspection endpoint of its issuer knows more"}
	case len(parts) == 1:
		return []string{"it has no dots, so it is an opaque token and no JWT: only the introspection endpoint of its issuer knows more"}
	case len(parts) == 2:
		return []string{"the third part, the signature, is missing: the token was cut off"}
	case strings.Contains(e.token, "="):
		return []string{"it is padded with =, which a JWT never is"}
	case strings.ContainsAny(e.token, "+/"):
		return []string{"it is in the standard base64 alphabet (+ and /); a JWT is in base64url (- and _)"}
	}
	return e.headerHints(parts[0])
}

// headerHints looks at a header the verifier would not read.
func (e *explainer) headerHints(part string) []string {
	var header map[string]any
	for _, r := range readings(part) {
		if r.right && json.Unmarshal(r.octets, &header) == nil {
			break
		}
	}
	switch {
	case header["cty"] != nil:
		return []string{"cty says that there is a token in the token (a nested JWT); certbound issues none"}
	case header["zip"] != nil || header["enc"] != nil:
		return []string{"the header is of an encrypted or compressed token"}
	case header["jwk"] != nil || header["jku"] != nil || header["x5c"] != nil || header["x5u"] != nil:
		return []string{"the header brings a key or says where to get one; a key that comes with the token proves nothing (RFC 8725 §3.10)"}
	}
	return nil
}

func algorithm(alg string) []string {
	switch {
	case strings.EqualFold(alg, "none"):
		return []string{"alg none is a token that nobody signed: anybody can make one (RFC 8725 §2.1)"}
	case strings.HasPrefix(alg, "HS"):
		return []string{"an HMAC: whoever can verify it can forge it; with a public key as the secret it is a well-known attack (RFC 8725 §2.1)"}
	case slices.Contains(jwks.Algorithms, alg):
		return []string{"a good algorithm that this verifier is not configured for"}
	}
	return nil
}

func typ(typ string) []string {
	switch {
	case typ == "":
		return []string{"the header has no typ: older issuers leave it out; set it to at+jwt (RFC 9068 §2.1)"}
	case strings.EqualFold(typ, "JWT"):
		return []string{"JWT is any JWT: this may be an ID token, which is not for APIs, or come from an issuer that does not follow RFC 9068"}
	case strings.EqualFold(typ, "dpop+jwt"):
		return []string{"this is a DPoP proof (RFC 9449), not a token"}
	}
	return []string{"this is a token for another purpose"}
}

// claimHints says what stands in cnf, and other mistakes in claims.
func (e *explainer) claimHints(s resource.Step) []string {
	var payload struct {
		Confirmation map[string]any `json:"cnf"`
		Issued       json.Number    `json:"iat"`
		Expiry       json.Number    `json:"exp"`
	}
	_ = json.Unmarshal(e.compact.Payload, &payload) // what is of another type is left empty
	var all []string
	if x5t, ok := payload.Confirmation["x5t#S256"].(string); ok {
		all = append(all, e.confirmation(x5t)...)
	}
	switch {
	case payload.Confirmation["jkt"] != nil:
		all = append(all, "cnf has jkt: the token is bound to a DPoP key (RFC 9449), not to a certificate")
	case payload.Confirmation["x5t"] != nil:
		all = append(all, "cnf has x5t, which is SHA-1; RFC 8705 §3.1 has x5t#S256 only")
	case payload.Confirmation["jwk"] != nil || payload.Confirmation["kid"] != nil:
		all = append(all, "cnf confirms by a key (RFC 7800), not by a certificate")
	case s.Reason == decision.TokenUnbound:
		all = append(all, "the token is not bound: its issuer saw no certificate (TLS ends before it?), or the client is not registered for certificate-bound tokens")
	}
	for _, n := range []json.Number{payload.Issued, payload.Expiry} {
		if len(n) == 13 { // until the year 2286
			return append(all, "times are in milliseconds; RFC 7519 §2 has seconds")
		}
	}
	return all
}

// confirmation says what a cnf that cannot be used is.
func (e *explainer) confirmation(x5t string) []string {
	found, ok := identify(x5t, e.certificates())
	if !ok {
		for _, r := range readings(x5t) {
			if !r.right && (len(r.octets) == 32 || len(r.octets) == 20) {
				return []string{fmt.Sprintf("x5t#S256 is %d octets written in %s, of none of the certificates given", len(r.octets), r.encoding)}
			}
		}
		return nil
	}
	if found.digest.right && found.encoding.right && found.of.cert == e.Certificates[0] {
		return nil
	}
	return []string{"x5t#S256 is " + found.describe() + "; for the client certificate it should be " + thumbprint.Of(e.Certificates[0]).String()}
}

// binding says whose thumbprint the token has.
func (e *explainer) binding(x5t string) []string {
	if found, ok := identify(x5t, e.certificates()); ok && !found.digest.right {
		return []string{"the token is bound to " + found.describe() + ": its issuer, or whoever registered the certificate, computed the wrong digest"}
	} else if ok && found.of.cert == e.Previous {
		return []string{e.renewed()}
	} else if ok {
		return []string{"the token is bound to " + found.of.name + ": its issuer took the wrong end of the chain"}
	}
	all := []string{"the token is bound to none of the certificates given"}
	if e.Previous == nil {
		all = append(all, "if the client has renewed its certificate, give the one before (--previous-cert)")
	}
	return all
}

func (e *explainer) renewed() string {
	if bytes.Equal(e.Previous.RawSubjectPublicKeyInfo, e.Certificates[0].RawSubjectPublicKeyInfo) {
		return "the client renewed its certificate with the same key and kept the token: the thumbprint is of the whole certificate, so the token has to be asked for anew"
	}
	return "the client renewed its certificate, with a new key, and kept the token: it has to be asked for anew"
}

// audience tells near misses, and tokens for somebody else.
func (e *explainer) audience(s resource.Step) []string {
	for _, aud := range e.claims.Audience {
		if hints := nearMiss("audience", s.Expected, aud); hints != nil {
			return hints
		}
		switch aud {
		case e.claims.Issuer:
			return []string{"it is made for its own issuer"}
		case e.claims.ClientID:
			return []string{"the audience is the client: an ID token, not an access token"}
		}
	}
	return []string{"the token is for another API; ask for one with resource=" + s.Expected + " (RFC 8707)"}
}

// trifles are the differences between identifiers that people take for none.
var trifles = []struct {
	what string
	drop func(string) string
}{
	{"white space", strings.TrimSpace},
	{"letter case", strings.ToLower},
	{"http for https", func(s string) string { return strings.Replace(s, "http://", "https://", 1) }},
	{"a slash at the end", func(s string) string { return strings.TrimRight(s, "/") }},
	{"the default port", withoutPort},
}

// without drops every trifle but the one with index kept; -1 drops all.
func without(s string, kept int) string {
	for i, trifle := range trifles {
		if i != kept {
			s = trifle.drop(s)
		}
	}
	return s
}

// nearMiss says in what two identifiers differ when it is a trifle: they are
// compared octet by octet.
func nearMiss(what, expected, seen string) []string {
	if without(expected, -1) != without(seen, -1) {
		return otherPart(what, expected, seen)
	}
	var found []string
	for i, trifle := range trifles {
		if without(expected, i) != without(seen, i) {
			found = append(found, trifle.what)
		}
	}
	return []string{fmt.Sprintf("the %s differs in %s only: identifiers are compared octet by octet, so one side has to change its configuration", what, strings.Join(found, " and "))}
}

func withoutPort(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Port() == "" || (u.Scheme != "https" || u.Port() != "443") && (u.Scheme != "http" || u.Port() != "80") {
		return s
	}
	u.Host = u.Hostname()
	return u.String()
}

// otherPart names the one part of a URL that differs.
func otherPart(what, expected, seen string) []string {
	a, err := url.Parse(expected)
	b, err2 := url.Parse(seen)
	if err != nil || err2 != nil || a.Host == "" || b.Host == "" {
		return nil
	}
	switch {
	case a.Hostname() == b.Hostname() && a.Port() != b.Port():
		return []string{fmt.Sprintf("the %s differs in the port", what)}
	case a.Host == b.Host && a.Path != b.Path:
		return []string{fmt.Sprintf("the %s differs in the path", what)}
	}
	return nil
}

// clock tells a clock that is ahead from a wrong time zone.
func (e *explainer) clock(claim string, at time.Time) []string {
	ahead := at.Sub(e.Now)
	all := []string{fmt.Sprintf("%s is %s ahead of this clock: the issuer's clock is fast, or this one is slow", claim, span(ahead))}
	if off := ahead % (30 * time.Minute); ahead > 20*time.Minute && (off < time.Minute || off > 29*time.Minute) {
		all = append(all, "that is a whole number of hours or half hours: somebody took local time for UTC")
	}
	return all
}

func (e *explainer) period() []string {
	leaf := e.Certificates[0]
	if e.Now.Before(leaf.NotBefore) {
		return []string{fmt.Sprintf("the certificate begins in %s: it is brand new and a clock is off, or it is for later", span(leaf.NotBefore.Sub(e.Now)))}
	}
	return []string{fmt.Sprintf("the certificate expired %s ago: the client has to renew it, register the new one where it is self-signed, and ask for a new token", span(e.Now.Sub(leaf.NotAfter)))}
}

// signature names the keys there are.
func (e *explainer) signature(s resource.Step) []string {
	set, listed := e.Keys.(jwks.Set)
	switch {
	case s.Reason == decision.KeyUnknown && listed:
		var kids []string
		for i := range set {
			kids = append(kids, set[i].KeyID)
		}
		return []string{fmt.Sprintf("the set has the kids %q: the token was signed before a key was retired, by another issuer, or the set is old", kids)}
	case s.Reason == decision.SignatureInvalid:
		return []string{"the token was changed after it was signed, or another issuer uses the same kid"}
	}
	return nil
}

func scopeHints(s resource.Step) []string {
	switch {
	case strings.Contains(s.Seen, ","):
		return []string{"scopes are separated by spaces, not by commas (RFC 6749 §3.3)"}
	case strings.Contains(strings.ToLower(s.Seen), strings.ToLower(s.Expected)):
		return []string{"scopes are case-sensitive (RFC 6749 §3.3)"}
	}
	return nil
}

// span writes a duration in whole seconds, and in days from two on.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < time.Second:
		return d.String()
	case d >= 2*day:
		return fmt.Sprintf("%d days", d/day)
	}
	return d.Truncate(time.Second).String()
}
