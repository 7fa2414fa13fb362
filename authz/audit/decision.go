package audit

import (
	"encoding/json"

	"github.com/certbound/certbound/authz/oauth"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/resource/decision"
)

// longestTokenID bounds the jti of an event in bytes. Ours have 27.
const longestTokenID = 128

// columns are what stands in the event itself.
var columns = map[string]bool{"request_id": true, "reason": true, "partner": true, "client_id": true, "jti": true}

// usualDetail is room for a detail without growing.
const usualDetail = 512

// FromDecision is the event of a decision, with all its evidence as detail. A
// refusal concerns the client the request named, whether or not there is one; what
// no client could be called stands in the detail only, which is bounded. An event's
// client is in two indexes besides, and anybody may write 16 KiB there; and a jti
// nobody has verified may be nearly as long as a token.
func FromDecision(kind Kind, d *decision.Decision) Event {
	e := Event{
		Time: d.Time, Kind: kind, Reason: d.Reason, RequestID: d.RequestID,
		Partner: d.Evidence.Partner, Client: d.Evidence.ClientID,
		Detail: detail(d),
	}
	if e.Client == "" && oauth.ValidClientID(d.Evidence.ClaimedClientID) {
		e.Client = d.Evidence.ClaimedClientID
	}
	if len(d.Evidence.TokenID) <= longestTokenID {
		e.TokenID = d.Evidence.TokenID
	}
	// What is not a thumbprint is that of no certificate.
	e.Thumbprint, _ = thumbprint.Parse(d.Evidence.Certificate.Thumbprint)
	return e
}

func detail(d *decision.Decision) json.RawMessage {
	b := append(make([]byte, 0, usualDetail), '{')
	return append(d.AppendJSON(b, columns), '}')
}
