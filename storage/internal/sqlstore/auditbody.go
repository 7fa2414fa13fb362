package sqlstore

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
)

// The body of a batch is a JSON array with one event in each line.
const (
	bodyBegin = "["
	lineBreak = ",\n"
	bodyEnd   = "]"
)

// encodeBody writes the events of one batch. It refuses what would not read back
// as it was.
func encodeBody(events []storage.AuditEvent) (string, error) {
	size := 0
	for i := range events {
		size += 400 + len(events[i].Detail)
	}
	b := append(make([]byte, 0, size), bodyBegin...)
	for i := range events {
		if i > 0 {
			b = append(b, lineBreak...)
		}
		var err error
		if b, err = appendLine(b, &events[i]); err != nil {
			return "", err
		}
	}
	return string(append(b, bodyEnd...)), nil
}

// appendLine writes an event, but for the stream and the hash before it: the one
// stands in the batch, the other in the line before.
func appendLine(b []byte, e *storage.AuditEvent) ([]byte, error) {
	switch {
	case e.Kind == "":
		return nil, fmt.Errorf("storage: audit event %d has no kind", e.Seq)
	case e.Time.IsZero():
		return nil, fmt.Errorf("storage: audit event %d has no time", e.Seq)
	case !isRequestID(e.RequestID):
		return nil, fmt.Errorf("storage: request id %.40q is not %d lower-case hex digits", e.RequestID, requestDigits)
	}
	b = strconv.AppendInt(append(b, `{"seq":`...), e.Seq, 10)
	b = strconv.AppendInt(append(b, `,"time":`...), e.Time.Unix(), 10)
	for _, member := range [...]struct{ name, value string }{
		{`,"kind":`, e.Kind}, {`,"reason":`, e.Reason}, {`,"partner":`, e.PartnerID}, {`,"client":`, e.ClientID},
		{`,"actor":`, e.Actor}, {`,"jti":`, e.TokenID}, {`,"request_id":`, e.RequestID},
	} {
		if member.value == "" {
			continue
		}
		var err error
		if b, err = appendText(append(b, member.name...), member.value); err != nil {
			return nil, fmt.Errorf("storage: audit event %d: %w", e.Seq, err)
		}
	}
	if !e.Thumbprint.IsZero() {
		b = appendDigest(append(b, `,"x5t#S256":`...), e.Thumbprint[:])
	}
	b, err := appendDetail(append(b, `,"detail":`...), e.Detail)
	if err != nil {
		return nil, fmt.Errorf("storage: audit event %d: %w", e.Seq, err)
	}
	return append(appendDigest(append(b, `,"hash":`...), e.Hash[:]), '}'), nil
}

var errNotUTF8 = errors.New("a text is not UTF-8")

// appendText writes what needs no escape as it is; for the rest encoding/json
// knows the rules.
func appendText(b []byte, s string) ([]byte, error) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			if !utf8.ValidString(s) {
				return nil, errNotUTF8 // it would be changed in silence
			}
			text, err := json.Marshal(s)
			return append(b, text...), err
		}
	}
	return append(append(append(b, '"'), s...), '"'), nil
}

func appendDigest(b, digest []byte) []byte {
	return append(base64.RawURLEncoding.AppendEncode(append(b, '"'), digest), '"')
}

// appendDetail writes a JSON object as it is, or as a text what is none or would
// break the line.
func appendDetail(b []byte, detail string) ([]byte, error) {
	if isObject(detail) {
		return append(b, detail...), nil
	}
	return appendText(b, detail)
}

func isObject(s string) bool {
	return strings.HasPrefix(s, "{") && strings.HasSuffix(s, "}") && strings.IndexByte(s, '\n') < 0 &&
		utf8.ValidString(s) && json.Valid([]byte(s))
}

// line is an event as it stands in a body.
type line struct {
	Seq        int64           `json:"seq"`
	Time       int64           `json:"time"`
	Kind       string          `json:"kind"`
	Reason     string          `json:"reason"`
	Partner    string          `json:"partner"`
	Client     string          `json:"client"`
	Actor      string          `json:"actor"`
	TokenID    string          `json:"jti"`
	RequestID  string          `json:"request_id"`
	Thumbprint digest          `json:"x5t#S256"`
	Detail     json.RawMessage `json:"detail"`
	Hash       digest          `json:"hash"`
}

// digest reads what appendDigest wrote.
type digest [32]byte

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *digest) UnmarshalText(text []byte) error {
	raw, err := base64.RawURLEncoding.AppendDecode(make([]byte, 0, len(d)+2), text)
	if err == nil && len(raw) != len(d) {
		err = fmt.Errorf("a digest has %d bytes", len(raw))
	}
	copy(d[:], raw)
	return err
}

var errNotOurs = errors.New("storage: not a line that was written here")

// decodeLine reads what appendLine wrote, and nothing else: a line that says the
// same in other words says something else to whoever reads it by hand.
func decodeLine(text string) (storage.AuditEvent, error) {
	var l line
	if err := json.Unmarshal([]byte(text), &l); err != nil {
		return storage.AuditEvent{}, errors.Join(errNotOurs, err)
	}
	detail := string(l.Detail)
	if strings.HasPrefix(detail, `"`) {
		if err := json.Unmarshal(l.Detail, &detail); err != nil {
			return storage.AuditEvent{}, errors.Join(errNotOurs, err)
		}
	}
	e := storage.AuditEvent{
		Seq: l.Seq, Hash: storage.AuditHash(l.Hash), Time: time.Unix(l.Time, 0).UTC(), Kind: l.Kind, Reason: l.Reason,
		PartnerID: l.Partner, ClientID: l.Client, Actor: l.Actor, Thumbprint: thumbprint.Thumbprint(l.Thumbprint),
		TokenID: l.TokenID, RequestID: l.RequestID, Detail: detail,
	}
	again, err := appendLine(make([]byte, 0, len(text)), &e)
	if err != nil || string(again) != text {
		return storage.AuditEvent{}, errNotOurs
	}
	return e, nil
}

// unreadable stands for a line that somebody has been at: an event without a kind
// or a hash, so that a reader sees it and a verification fails.
func unreadable(text string) storage.AuditEvent {
	detail, err := json.Marshal(map[string]string{"unreadable": text})
	if err != nil { // a map of texts always marshals
		detail = []byte(`{"unreadable":""}`)
	}
	return storage.AuditEvent{Detail: string(detail)}
}
