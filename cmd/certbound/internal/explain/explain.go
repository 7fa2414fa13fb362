package explain

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/certbound/certbound/docs"
	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/accesstoken"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/resource/jwks"
)

// Request is what a token is held to. What is left out is not checked.
type Request struct {
	Token        []byte              // as it was read
	Certificates []*x509.Certificate // the client's, then what it sends along
	Previous     *x509.Certificate   // the certificate before a renewal
	Issuer       string              // what iss has to be
	Audience     string              // what aud has to be
	Keys         resource.KeySource  // the issuer's keys
	Scopes       []string            // what the route needs
	Leeway       time.Duration       // as [resource.Config.Leeway]
	Now          time.Time
}

// Step is a check, with what we make of its outcome.
type Step struct {
	resource.Step
	Hints []string `json:"hints,omitempty"` // what was seen is …
}

// Report is the explanation of one token.
type Report struct {
	Accepted bool            `json:"accepted"` // no check that was made has failed
	Reason   decision.Reason `json:"reason,omitempty"`
	Meaning  string          `json:"meaning,omitempty"`
	ToDo     string          `json:"to_do,omitempty"`
	Steps    []Step          `json:"checks"`
}

// StepInput is the check of the text around the token, which a verifier makes by
// refusing what is no token.
const StepInput = "input"

// Explain makes every check. An error means that the question cannot be asked.
func Explain(ctx context.Context, q Request) (*Report, error) {
	if len(q.Certificates) == 0 {
		return nil, errors.New("explain: there is no certificate")
	}
	token, taken, err := clean(q.Token)
	if err != nil {
		return nil, err
	}
	e := &explainer{Request: q, token: token}
	e.read()
	verifier, err := resource.New(e.config())
	if err != nil {
		return nil, err
	}
	r := (&http.Request{
		URL: &url.URL{}, Header: http.Header{"Authorization": {"Bearer " + token}},
		TLS: &tls.ConnectionState{HandshakeComplete: true, PeerCertificates: q.Certificates},
	}).WithContext(ctx)
	report := &Report{Accepted: true}
	report.input(taken)
	for _, s := range verifier.Trace(r, q.Scopes...) {
		step := e.withheld(Step{Step: s})
		step.Hints = e.hints(step.Step)
		report.add(step)
	}
	return report, nil
}

func (r *Report) input(taken []string) {
	step := Step{Step: resource.Step{Check: StepInput, Outcome: resource.Passed, Expected: "the token alone"}}
	if len(taken) > 0 {
		step.Outcome, step.Reason = resource.Failed, decision.TokenMalformed
		step.Detail = "sent like this it is refused; the checks below are of the token without it"
		step.Hints = taken
	}
	r.add(step)
}

// add notes a step; the first that failed gives the verdict.
func (r *Report) add(s Step) {
	r.Steps = append(r.Steps, s)
	if s.Outcome != resource.Failed || !r.Accepted {
		return
	}
	r.Accepted, r.Reason = false, s.Reason
	r.Meaning, r.ToDo = docs.Reason(string(s.Reason))
}

// Unreachable reports whether the one thing that speaks against the token is that
// the issuer's keys could not be had, which is no verdict on the token.
func (r *Report) Unreachable() bool { return r.Reason == decision.IssuerKeysUnavailable }

// explainer holds what hints are made of.
type explainer struct {
	Request
	token   string
	compact *accesstoken.Compact // nil when the token cannot be taken apart
	claims  *accesstoken.Claims  // what could be read of it
}

func (e *explainer) read() {
	e.claims = &accesstoken.Claims{}
	compact, err := accesstoken.Decode(e.token)
	if err != nil {
		return
	}
	e.compact = compact
	e.claims, _ = accesstoken.Inspect(compact.Payload) // the verifier says what is wrong
}

// config is a verifier that expects what was asked for, and elsewhere what the
// token says, so that nothing fails for lack of an expectation.
func (e *explainer) config() resource.Config {
	c := resource.Config{
		Issuer: e.Issuer, Audience: e.Audience, Keys: e.Keys, Leeway: e.Leeway, Clock: func() time.Time { return e.Now },
	}
	if c.Issuer == "" && jwks.IsIssuer(e.claims.Issuer) {
		c.Issuer = e.claims.Issuer
	}
	if c.Issuer == "" {
		c.Issuer = "https://issuer.invalid"
	}
	if c.Audience == "" && len(e.claims.Audience) > 0 {
		c.Audience = e.claims.Audience[0]
	}
	if c.Audience == "" {
		c.Audience = "unknown"
	}
	c.Realm = "explain"
	if c.Keys == nil {
		c.Keys = noKeys{}
	}
	return c
}

// noKeys is the issuer nobody asked for.
type noKeys struct{}

func (noKeys) Keys(context.Context, string) ([]jose.JSONWebKey, error) {
	return nil, errors.New("explain: no keys were given")
}

// withheld takes back the verdict on what there was nothing to compare with.
func (e *explainer) withheld(s Step) Step {
	missing := map[string]string{}
	if e.Issuer == "" {
		missing[resource.StepIssuer] = "no issuer was given (--issuer)"
	}
	if e.Audience == "" {
		missing[resource.StepAudience] = "no audience was given (--audience)"
	}
	if e.Keys == nil {
		missing[resource.StepSignature] = "no keys were given (--jwks, or --issuer with --ca to fetch them)"
	}
	if len(e.Scopes) == 0 {
		missing[resource.StepScopes] = "no scope was asked for (--scope)"
	}
	why, ok := missing[s.Check]
	if !ok || s.Outcome == resource.NotChecked {
		return s
	}
	s.Outcome, s.Reason, s.Expected, s.Detail = resource.NotChecked, "", "", why
	return s
}

// certificates are those at hand that a thumbprint may be of.
func (e *explainer) certificates() []known {
	all := []known{{"the client certificate", e.Certificates[0]}}
	if e.Previous != nil {
		all = append(all, known{"the previous certificate", e.Previous})
	}
	for i, cert := range e.Certificates[1:] {
		all = append(all, known{fmt.Sprintf("certificate %d of the file, an authority's and not the client's", i+2), cert})
	}
	return all
}
