package admin

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

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

// listEvents answers newest first. Each page ends at a place, not at a number, so
// that events which come in meanwhile move nothing.
func (h *Handler) listEvents(c *call) (*answer, *refusal) {
	q, f := newQuery(c.Request, "partner", "client", "thumbprint", "reason", "request_id", "kind", "since", "until", "limit", "before")
	if f != nil {
		return nil, f
	}
	wanted := q.events()
	if f := q.bad.refusal(); f != nil {
		return nil, f
	}
	limit := wanted.Limit
	wanted.Limit++ // to know whether there is another page
	found, err := h.Store.AuditEvents(c.Context(), wanted)
	if err != nil {
		return nil, unavailable(err)
	}
	a := &answer{}
	if len(found) > limit {
		found = found[:limit]
		a.link = q.next(c.URL.Path, "before", placeOf(found[limit-1]))
	}
	list := make([]EventView, len(found))
	for i := range found {
		list[i] = viewEvent(found[i])
	}
	a.body = EventPage{list}
	return a, nil
}

// events reads the filters.
func (q *query) events() storage.AuditQuery {
	wanted := storage.AuditQuery{
		PartnerID: q.text("partner"), ClientID: q.text("client"), Kind: q.text("kind"), Reason: q.text("reason"),
		RequestID: q.text("request_id"), Since: q.time("since"), Until: q.time("until"), Limit: q.limit(),
	}
	if wanted.RequestID != "" && !isRequestID(wanted.RequestID) {
		q.bad.add("request_id", "must be 32 lower-case hex digits")
	}
	if text := q.text("thumbprint"); text != "" {
		t, err := thumbprint.Parse(text)
		if err != nil {
			q.bad.add("thumbprint", "must be an x5t#S256: 43 characters of base64url")
		}
		wanted.Thumbprint = t
	}
	if text := q.text("before"); text != "" {
		at, ok := parsePlace(text)
		if !ok {
			q.bad.add("before", "must come from the Link of a page")
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
func placeOf(e storage.AuditEvent) string {
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
