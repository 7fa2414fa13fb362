package decision

import (
	"context"
	"crypto/tls"
	"log/slog"
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

// Log writes the decision as one line: level INFO when allowed, WARN when
// refused, message "decision".
func (d *Decision) Log(ctx context.Context, logger *slog.Logger) {
	level := slog.LevelInfo
	if !d.Allowed {
		level = slog.LevelWarn
	}
	logger.LogAttrs(ctx, level, "decision", d.Attrs()...)
}

// Attrs returns the decision as the attributes that Log writes; audit events keep
// the same ones.
func (d *Decision) Attrs() []slog.Attr {
	outcome := "refuse"
	if d.Allowed {
		outcome = "allow"
	}
	e := &d.Evidence
	a := append(make(attrList, 0, mostAttrs),
		slog.String("request_id", d.RequestID),
		slog.String("journey", string(d.Journey)),
		slog.String("outcome", outcome),
	)
	a.text("reason", string(d.Reason))
	a.number("status", d.Status)
	a = append(a, slog.Int64("elapsed_us", d.Elapsed.Microseconds()))
	a.text("client_id", e.ClientID)
	a.text("partner", e.Partner)
	a.text("claimed_client_id", e.ClaimedClientID)
	a.text("auth_method", e.AuthMethod)
	a.text("trust_bundle", e.TrustBundle)
	a.certificate(&e.Certificate)
	a.text("iss", e.Issuer)
	a.text("aud", e.Audience)
	a.text("jti", e.TokenID)
	a.text("kid", e.KeyID)
	if e.ClaimsUnverified {
		a = append(a, slog.Bool("claims_unverified", true))
	}
	a.list("scopes_needed", e.ScopesNeeded)
	a.list("scopes_held", e.ScopesHeld)
	a.text("expected", e.Expected)
	a.text("seen", e.Seen)
	a.text("detail", e.Detail)
	a.text("method", e.Method)
	a.text("path", e.Path)
	a.text("route", e.Route)
	a.number("upstream_status", e.UpstreamStatus)
	a.text("remote_addr", e.RemoteAddr)
	a.text("tls_version", e.TLSVersion)
	a.text("tls_curve", e.TLSCurve)
	a.text("tls_protocol", e.TLSProtocol)
	return a
}

// mostAttrs is room for the attributes of a decision that was allowed.
const mostAttrs = 36

// attrList collects attributes and leaves empty ones out.
type attrList []slog.Attr

// maxText bounds what a stranger can write into one attribute of our log.
const maxText = 512

func (a *attrList) text(key, value string) {
	if value == "" {
		return
	}
	if len(value) > maxText {
		value = value[:maxText] + "…"
	}
	*a = append(*a, slog.String(key, value))
}

func (a *attrList) number(key string, value int) {
	if value != 0 {
		*a = append(*a, slog.Int(key, value))
	}
}

func (a *attrList) list(key string, values []string) {
	if len(values) > 0 {
		*a = append(*a, slog.Any(key, values))
	}
}

func (a *attrList) certificate(c *Certificate) {
	if c.Thumbprint == "" {
		return
	}
	var group attrList
	group.text("x5t_s256", c.Thumbprint)
	group.text("subject", c.Subject)
	group.text("issuer", c.Issuer)
	group.text("serial", c.Serial)
	group = append(group, slog.Time("not_after", c.NotAfter))
	*a = append(*a, slog.Attr{Key: "certificate", Value: slog.GroupValue(group...)})
}

// Allow ends the decision in the caller's favour.
func (d *Decision) Allow(status int, now time.Time) {
	d.Allowed, d.Reason, d.Status, d.Elapsed = true, "", status, now.Sub(d.Time)
}

// Refuse ends the decision against the caller.
func (d *Decision) Refuse(reason Reason, status int, now time.Time) {
	d.Allowed, d.Reason, d.Status, d.Elapsed = false, reason, status, now.Sub(d.Time)
}
