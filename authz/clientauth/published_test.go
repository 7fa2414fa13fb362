package clientauth

import (
	"testing"
	"time"

	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/storage"
)

// TestPublishedCertificateLocksNobodyOut: a partner publishes the certificate of
// somebody else's client, which anybody who has seen it can do. Only what somebody
// decided takes a certificate from a client.
func TestPublishedCertificateLocksNobodyOut(t *testing.T) {
	for name, tt := range map[string]struct {
		owner      string
		source     storage.CertificateSource
		registered bool // the client takes registered ones only
		want       decision.Reason
	}{
		"published by another":                                 {"mallory", storage.CertificatePublished, false, ""},
		"published by another, where others than ours are out": {"mallory", storage.CertificatePublished, true, decision.CertificateNotRegistered},
		"registered for another":                               {"mallory", storage.CertificateRegistered, false, decision.CertificateNotRegistered},
		"signed for another":                                   {"mallory", storage.CertificateEnrolled, false, decision.CertificateNotRegistered},
		"registered for it":                                    {"a", storage.CertificateRegistered, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := clients(t)["pki"]
			c.records.client.RegisteredOnly = tt.registered
			c.records.registered = []storage.Certificate{{Thumbprint: thumbprint.Of(c.pair.Cert), ClientID: tt.owner, Source: tt.source}}
			a, err := New(Config{Records: c.records, Trust: c.trust, Clock: time.Now})
			if err != nil {
				t.Fatal(err)
			}
			r := request(&c.pair, "client_id=a")
			var evidence decision.Evidence
			_, refusal := a.Authenticate(r, form(t, r), &evidence)
			if tt.want == "" && refusal != nil || tt.want != "" && (refusal == nil || refusal.Reason != tt.want) {
				t.Errorf("got %+v, want %q", refusal, tt.want)
			}
		})
	}
}
