package decision

import (
	"context"
	"log/slog"
	"time"
)

// Handler is a slog.Handler that writes decisions in a way of its own. There is a
// line for each request: through slog's record it costs more than checking the
// token it tells of. What it writes must say what [Decision.Attrs] say.
type Handler interface {
	slog.Handler
	// HandleDecision writes one line. It must not keep d, but may keep a copy: what a
	// logged decision refers to does not change any more.
	HandleDecision(ctx context.Context, now time.Time, level slog.Level, d *Decision) error
}

// message is that of the line of a decision.
const message = "decision"

// Log writes the decision as one line: level INFO when allowed, WARN when
// refused, message "decision".
func (d *Decision) Log(ctx context.Context, logger *slog.Logger) {
	level := slog.LevelInfo
	if !d.Allowed {
		level = slog.LevelWarn
	}
	own, ok := logger.Handler().(Handler)
	if !ok {
		logger.LogAttrs(ctx, level, message, d.Attrs()...)
		return
	}
	if own.Enabled(ctx, level) {
		_ = own.HandleDecision(ctx, time.Now(), level, d) // slog's logger, too, has nobody to tell
	}
}

// Attrs returns the decision as the attributes that Log writes; audit events keep
// the same ones.
func (d *Decision) Attrs() []slog.Attr {
	a := make(attrList, 0, mostAttrs)
	d.tell(&a)
	return a
}

// teller is told the attributes of a decision one after the other. A text, a
// number or a list that is empty is no attribute.
type teller interface {
	text(key, value string)
	number(key string, value int)
	list(key string, values []string)
	elapsed(key string, d time.Duration)
	yes(key string)
	time(key string, t time.Time)
	certificate(key string, c *Certificate)
}

// tell is what a decision is to the log and to the audit trail.
func (d *Decision) tell(t teller) {
	outcome := "refuse"
	if d.Allowed {
		outcome = "allow"
	}
	e := &d.Evidence
	t.text("request_id", d.RequestID)
	t.text("journey", string(d.Journey))
	t.text("outcome", outcome)
	t.text("reason", string(d.Reason))
	t.number("status", d.Status)
	t.elapsed("elapsed_us", d.Elapsed)
	t.text("client_id", e.ClientID)
	t.text("partner", e.Partner)
	t.text("claimed_client_id", e.ClaimedClientID)
	t.text("auth_method", e.AuthMethod)
	t.text("trust_bundle", e.TrustBundle)
	if e.Certificate.Thumbprint != "" {
		t.certificate("certificate", &e.Certificate)
	}
	t.text("iss", e.Issuer)
	t.text("aud", e.Audience)
	t.text("jti", e.TokenID)
	t.text("kid", e.KeyID)
	if e.ClaimsUnverified {
		t.yes("claims_unverified")
	}
	t.list("scopes_needed", e.ScopesNeeded)
	t.list("scopes_held", e.ScopesHeld)
	t.text("expected", e.Expected)
	t.text("seen", e.Seen)
	t.text("detail", e.Detail)
	t.text("method", e.Method)
	t.text("path", e.Path)
	t.text("route", e.Route)
	t.number("upstream_status", e.UpstreamStatus)
	t.text("remote_addr", e.RemoteAddr)
	t.text("tls_version", e.TLSVersion)
	t.text("tls_curve", e.TLSCurve)
	t.text("tls_protocol", e.TLSProtocol)
}

func (c *Certificate) tell(t teller) {
	t.text("x5t_s256", c.Thumbprint)
	t.text("subject", c.Subject)
	t.text("issuer", c.Issuer)
	t.text("serial", c.Serial)
	t.time("not_after", c.NotAfter)
}

// maxText bounds what a stranger can write into one attribute of our log.
const maxText = 512

// bounded is value, cut where it is longer than an attribute may be.
func bounded(value string) string {
	if len(value) > maxText {
		return value[:maxText] + "…"
	}
	return value
}

// mostAttrs is room for the attributes of a decision that was allowed.
const mostAttrs = 36

// attrList collects attributes.
type attrList []slog.Attr

func (a *attrList) add(attr slog.Attr) { *a = append(*a, attr) }

func (a *attrList) text(key, value string) {
	if value != "" {
		a.add(slog.String(key, bounded(value)))
	}
}

func (a *attrList) number(key string, value int) {
	if value != 0 {
		a.add(slog.Int(key, value))
	}
}

func (a *attrList) list(key string, values []string) {
	if len(values) > 0 {
		a.add(slog.Any(key, values))
	}
}

func (a *attrList) elapsed(key string, d time.Duration) { a.add(slog.Int64(key, d.Microseconds())) }
func (a *attrList) yes(key string)                      { a.add(slog.Bool(key, true)) }
func (a *attrList) time(key string, t time.Time)        { a.add(slog.Time(key, t)) }

func (a *attrList) certificate(key string, c *Certificate) {
	var group attrList
	c.tell(&group)
	a.add(slog.Attr{Key: key, Value: slog.GroupValue(group...)})
}
