package resource

import "github.com/certbound/certbound/resource/decision"

// Refuse turns the decision about a verified token into a refusal, for what an
// API asks beyond the token itself: that the client is on a list, or within its
// rate. The evidence stays; detail is one sentence for the operator. Like
// VerifyRequest it logs nothing.
func (v *Verifier) Refuse(t *Token, reason decision.Reason, detail string) *Refusal {
	d := t.Decision
	d.Evidence.Detail = detail
	d.Refuse(reason, reason.AtResourceServer().Status, v.clock())
	return &Refusal{Decision: d, Realm: v.realm}
}

// InsecureAllowingUnbound returns a verifier that shares everything with v but
// also accepts tokens without a cnf claim, as Config.InsecureAllowUnbound says. It
// MUST NOT be used where certificate-bound tokens are expected; it is there for
// an API of which one part is open to clients that cannot bind.
func (v *Verifier) InsecureAllowingUnbound() *Verifier {
	lax := *v
	lax.allowUnbound = true
	return &lax
}
