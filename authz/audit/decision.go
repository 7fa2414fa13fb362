package audit

import (
	"log/slog"
	"time"

	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/resource/decision"
)

// FromDecision is the event of a decision, with all its evidence as detail. A
// refusal concerns the client the request named, whether or not there is one.
func FromDecision(kind Kind, d *decision.Decision) Event {
	e := Event{
		Time: d.Time, Kind: kind, Reason: d.Reason, RequestID: d.RequestID,
		Partner: d.Evidence.Partner, Client: d.Evidence.ClientID, TokenID: d.Evidence.TokenID,
		Detail: members(d.Attrs()),
	}
	if e.Client == "" {
		e.Client = d.Evidence.ClaimedClientID
	}
	// What is not a thumbprint is that of no certificate.
	e.Thumbprint, _ = thumbprint.Parse(d.Evidence.Certificate.Thumbprint)
	return e
}

// columns are members that stand in the event itself.
var columns = map[string]bool{"request_id": true, "reason": true, "partner": true, "client_id": true, "jti": true}

// members turns log attributes into a JSON object.
func members(attrs []slog.Attr) map[string]any {
	object := make(map[string]any, len(attrs))
	for _, a := range attrs {
		switch value := a.Value.Resolve(); {
		case columns[a.Key]:
		case value.Kind() == slog.KindGroup:
			object[a.Key] = members(value.Group())
		case value.Kind() == slog.KindTime:
			object[a.Key] = value.Time().UTC().Format(time.RFC3339)
		default:
			object[a.Key] = value.Any()
		}
	}
	return object
}
