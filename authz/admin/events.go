package admin

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/certbound/certbound/authz/admin/listing"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
)

// EventView is an audit event as the API shows it. Stream, seq, prev and hash are
// its place in the chain.
type EventView struct {
	Time       time.Time       `json:"time"`
	Kind       string          `json:"kind"`
	Reason     string          `json:"reason,omitempty"`
	Partner    string          `json:"partner,omitempty"`
	Client     string          `json:"client,omitempty"`
	Actor      string          `json:"actor,omitempty"`
	Thumbprint string          `json:"x5t#S256,omitempty"`
	TokenID    string          `json:"jti,omitempty"`
	RequestID  string          `json:"request_id,omitempty"`
	Detail     json.RawMessage `json:"detail"`
	Stream     int64           `json:"stream"`
	Seq        int64           `json:"seq"`
	Prev       string          `json:"prev"`
	Hash       string          `json:"hash"`
}

// EventPage is a page of audit events, newest first.
type EventPage struct {
	Events []EventView `json:"events"`
}

func viewEvent(e storage.AuditEvent) EventView {
	v := EventView{
		Time: e.Time, Kind: e.Kind, Reason: e.Reason, Partner: e.PartnerID, Client: e.ClientID, Actor: e.Actor,
		TokenID: e.TokenID, RequestID: e.RequestID, Detail: json.RawMessage(e.Detail),
		Stream: e.StreamID, Seq: e.Seq, Prev: hex.EncodeToString(e.Prev[:]), Hash: hex.EncodeToString(e.Hash[:]),
	}
	if !e.Thumbprint.IsZero() {
		v.Thumbprint = e.Thumbprint.String()
	}
	return v
}

// listEvents answers newest first.
func listEvents(h *Handler, c *call) (*answer, error) {
	q, err := listing.Read(c.Request, "partner", "client", "thumbprint", "reason", "request_id", "kind", "since", "until", "limit", "before")
	if err != nil {
		return nil, err
	}
	wanted := filters(q)
	page, err := listing.Fetch(q, "before", func(limit int) ([]storage.AuditEvent, error) {
		wanted.Limit = limit
		return h.Store.AuditEvents(c.Context(), wanted)
	}, placeOf)
	if err != nil {
		return nil, err
	}
	return &answer{body: EventPage{views(page.Records, viewEvent)}, link: page.Next}, nil
}

// filters reads which events are asked for.
func filters(q *listing.Query) storage.AuditQuery {
	wanted := storage.AuditQuery{
		PartnerID: q.Text("partner"), ClientID: q.Text("client"), Kind: q.Text("kind"), Reason: q.Text("reason"),
		RequestID: q.Text("request_id"), Since: q.Time("since"), Until: q.Time("until"),
	}
	if wanted.RequestID != "" && !isRequestID(wanted.RequestID) {
		q.Bad.Add("request_id", "must be 32 lower-case hex digits")
	}
	if text := q.Text("thumbprint"); text != "" {
		t, err := thumbprint.Parse(text)
		if err != nil {
			q.Bad.Add("thumbprint", "must be an x5t#S256: 43 characters of base64url")
		}
		wanted.Thumbprint = t
	}
	if text := q.Text("before"); text != "" {
		at, ok := parsePlace(text)
		if !ok {
			q.Bad.Add("before", listing.FromLink)
		}
		wanted.Before = at
	}
	return wanted
}

func isRequestID(s string) bool {
	raw, err := hex.DecodeString(s)
	return err == nil && len(raw) == 16 && strings.ToLower(s) == s
}

// placeOf writes the cursor that stands behind an event.
func placeOf(e *storage.AuditEvent) string {
	return fmt.Sprintf("%d.%d.%d", e.Time.Unix(), e.StreamID, e.Seq)
}

// parsePlace reads what placeOf wrote.
func parsePlace(text string) (storage.AuditCursor, bool) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return storage.AuditCursor{}, false
	}
	var n [3]int64
	for i, part := range parts {
		value, err := strconv.ParseInt(part, 10, 64)
		if err != nil || value < 0 || strconv.FormatInt(value, 10) != part {
			return storage.AuditCursor{}, false
		}
		n[i] = value
	}
	return storage.AuditCursor{Time: time.Unix(n[0], 0).UTC(), StreamID: n[1], Seq: n[2]}, true
}
