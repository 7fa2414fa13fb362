package decision

import (
	"crypto/tls"
	"net/http"
	"net/url"
	"time"
)

// Journey names which of the two requests a decision is about.
type Journey string

// The journeys: the two of the design, and what else the authorization server
// answers clients and resource servers.
const (
	TokenRequest         Journey = "token_request"         // a client at the token endpoint, or at no endpoint
	IntrospectionRequest Journey = "introspection_request" // RFC 7662
	RevocationRequest    Journey = "revocation_request"    // RFC 7009
	EnrollmentRequest    Journey = "enrollment_request"    // a client that wants its certificate signed
	FeedRequest          Journey = "feed_request"          // a resource server at the revocation feed
	APIRequest           Journey = "api_request"           // a call at the resource server
)

// Decision is what certbound decided about one request. Make one with [New], fill the evidence as checks go, and end it with [Decision.Allow]
// or [Decision.Refuse].
type Decision struct {
	Time      time.Time     // when the request came in, UTC
	Elapsed   time.Duration // how long the decision took
	RequestID string        // also sent to the caller as X-Request-Id
	Journey   Journey
	Allowed   bool   // false until every check has passed
	Reason    Reason // why it was refused; empty when allowed
	Status    int    // the HTTP status the caller got from us
	Evidence  Evidence
}

// New begins the decision about a request that came in at now.
func New(r *http.Request, journey Journey, now time.Time) Decision {
	d := Decision{Time: now.UTC(), RequestID: NewRequestID(now), Journey: journey}
	d.Evidence = Evidence{RemoteAddr: r.RemoteAddr, Method: r.Method, Path: Path(r.URL)}
	if r.TLS != nil {
		d.Evidence.TLSVersion = tls.VersionName(r.TLS.Version)
		d.Evidence.TLSProtocol = r.TLS.NegotiatedProtocol
		if r.TLS.CurveID != 0 {
			d.Evidence.TLSCurve = r.TLS.CurveID.String()
		}
	}
	return d
}

// Path returns the path as the caller spelled it. url.URL.EscapedPath does not:
// it re-encodes what it holds for invalid, and would hide it from whoever checks
// the path or reads the log.
func Path(u *url.URL) string {
	if u.RawPath != "" {
		return u.RawPath
	}
	return u.EscapedPath() // RawPath is empty when this is what was received
}

// Evidence is what a decision rests on: facts for the operator, never keys,
// tokens or whole certificates. Empty members are not logged.
type Evidence struct {
	RemoteAddr  string // the peer of the connection, host:port
	Method      string // HTTP method
	Path        string // escaped request path, without the query
	Route       string // the path template that matched
	TLSVersion  string // "TLS 1.3"
	TLSCurve    string // the key exchange, "X25519MLKEM768"
	TLSProtocol string // ALPN, "h2"

	Certificate Certificate // what was presented, verified or not

	ClientID         string // the client once authenticated, or the verified token's
	Partner          string // the partner that client belongs to
	ClaimedClientID  string // client_id as sent or as in a token not verified yet
	AuthMethod       string // client authentication method of RFC 8705 §2
	TrustBundle      string // the bundle the client is pinned to, "name@version"
	Issuer           string // iss of a verified token
	Audience         string // aud asked for, or issued
	TokenID          string // jti of the issued or verified token
	KeyID            string // kid
	ScopesNeeded     []string
	ScopesHeld       []string
	Expected, Seen   string // the two sides of the comparison that failed
	Detail           string // one sentence for the operator: what to look at
	UpstreamStatus   int    // what the API behind the proxy answered
	ClaimsUnverified bool   // Issuer, Audience, TokenID, KeyID come from a token whose signature was not checked
}

// Certificate names the certificate a peer presented, without its bytes.
type Certificate struct {
	Thumbprint string    // x5t#S256, RFC 8705 §3.1
	Subject    string    // RFC 4514
	Issuer     string    // RFC 4514
	Serial     string    // hex
	NotAfter   time.Time // UTC
}

// Allow ends the decision in the caller's favour.
func (d *Decision) Allow(status int, now time.Time) {
	d.Allowed, d.Reason, d.Status, d.Elapsed = true, "", status, now.Sub(d.Time)
}

// Refuse ends the decision against the caller.
func (d *Decision) Refuse(reason Reason, status int, now time.Time) {
	d.Allowed, d.Reason, d.Status, d.Elapsed = false, reason, status, now.Sub(d.Time)
}
