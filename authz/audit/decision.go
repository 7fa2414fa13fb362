package audit

import (
	"encoding/json"

	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/resource/decision"
)

// FromDecision is the event of a decision, with all its evidence as detail. A
// refusal concerns the client the request named, whether or not there is one.
func FromDecision(kind Kind, d *decision.Decision) Event {
	e := Event{
		Time: d.Time, Kind: kind, Reason: d.Reason, RequestID: d.RequestID,
		Partner: d.Evidence.Partner, Client: d.Evidence.ClientID, TokenID: d.Evidence.TokenID,
		Detail: json.RawMessage(appendMembers(make([]byte, 0, 512), d.Attrs())),
	}
	if e.Client == "" {
		e.Client = d.Evidence.ClaimedClientID
	}
	// What is not a thumbprint is that of no certificate.
	e.Thumbprint, _ = thumbprint.Parse(d.Evidence.Certificate.Thumbprint)
	return e
}
