package conformance

import (
	"crypto/x509"
	"net/http"
	"testing"
	"time"

	"github.com/certbound/certbound/conformance/clause"
	"github.com/certbound/certbound/conformance/internal/harness"
	"github.com/certbound/certbound/keys/keystest"
)

func TestSelfSignedEqualsARegisteredOne(t *testing.T) {
	clause.Covers(t, "RFC8705-2-2-a")
	d := harness.Shared(t)
	c := d.Cast
	lookalike := keystest.SelfSigned(t, keystest.RawSubject(c.SelfSigned.Cert.RawSubject),
		keystest.SerialNumber(c.SelfSigned.Cert.SerialNumber), keystest.SubjectKeyID(c.SelfSigned.Cert.SubjectKeyId))
	behind := lookalike
	behind.Chain = []*x509.Certificate{c.SelfSigned.Cert}
	child := keystest.Issuer(c.Parent).Client(t)
	renewed := keystest.SelfSigned(t, keystest.RawSubject(c.SelfSigned.Cert.RawSubject), keystest.WithKey(c.SelfSigned.Key))
	unregistered := unbelieved("certificate_not_registered")
	runPKICases(t, d, []pkiCase{
		{"registered", "conf-self", c.SelfSigned, refusal{}},
		{"the second one registered", "conf-self", c.Second, refusal{}},
		{"not registered", "conf-self", keystest.SelfSigned(t), unregistered},
		{"same subject, serial and key id, other key", "conf-self", lookalike, unregistered},
		{"registered one second in the chain", "conf-self", behind, unregistered},
		{"same subject and key, renewed", "conf-self", renewed, unregistered},
		{"signed by the registered one", "conf-parent", child, unregistered},
		{"the signing one itself", "conf-parent", c.Parent, refusal{}},
		{"another client's registered one", "conf-parent", c.SelfSigned, unregistered},
		{"another client's CA-issued one", "conf-self", d.Pair(t, "acme-billing"), unregistered},
	})
}

func TestSelfSignedChainIsNotValidated(t *testing.T) {
	clause.Covers(t, "RFC8705-2-2-b", "RFC8705-6-1")
	d := harness.Shared(t)
	c := d.Cast
	withChain := c.SelfSigned
	withChain.Chain = []*x509.Certificate{c.Root.Cert}
	runPKICases(t, d, []pkiCase{
		{"no EKU, no key usage", "conf-bare", c.Bare, refusal{}},
		{"CA flag", "conf-parent", c.Parent, refusal{}},
		{"something sent along", "conf-self", withChain, refusal{}},
	})
}

// TestSelfSignedPastItsEnd waits for the end of a registered certificate on an
// open connection: neither registration nor connection outlives it.
func TestSelfSignedPastItsEnd(t *testing.T) {
	clause.Covers(t, "RFC8705-2-2-a", "RFC8705-3-e", "CERTBOUND-1")
	d := harness.Shared(t)
	client := d.HTTPClient(t, &d.Cast.Brief, nil)
	post := func() *harness.Response {
		req := d.TokenRequest(nil, harness.TokenForm("conf-brief").Encode())
		req.Client = client
		return d.Send(t, req)
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for end := d.Cast.BriefEnds; ; <-tick.C {
		sent := time.Now()
		resp := post()
		switch {
		case time.Until(end) > 5*time.Second && resp.Status != http.StatusOK:
			t.Fatalf("%s before its end: %s", time.Until(end), resp)
		case sent.Before(end): // with under 5 s left the answer is a refusal, too
		default:
			expectRefusal(t, d, resp, badClient("certificate_expired"))
			return
		}
	}
}
