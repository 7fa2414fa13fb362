package decision

import (
	"encoding/json"
	"strconv"
	"time"
)

// AppendJSON appends the members of a JSON object, without its braces: those of
// [Decision.Attrs], less the ones whose key is in omit. It says what slog and
// encoding/json would say. There is one for each request, and through them it
// costs several times as much.
func (d *Decision) AppendJSON(b []byte, omit map[string]bool) []byte {
	m := members{b: b, omit: omit, first: true}
	d.tell(&m)
	return m.b
}

// members writes the members of one object.
type members struct {
	b     []byte
	omit  map[string]bool
	first bool
}

// key begins a member, unless it is to be left out.
func (m *members) key(key string) bool {
	if m.omit[key] {
		return false
	}
	if !m.first {
		m.b = append(m.b, ',')
	}
	m.first = false
	m.b = append(append(append(m.b, '"'), key...), '"', ':') // our keys need no escape
	return true
}

func (m *members) text(key, value string) {
	if value != "" && m.key(key) {
		m.b = appendText(m.b, bounded(value))
	}
}

func (m *members) number(key string, value int) {
	if value != 0 && m.key(key) {
		m.b = strconv.AppendInt(m.b, int64(value), 10)
	}
}

func (m *members) list(key string, values []string) {
	if len(values) == 0 || !m.key(key) {
		return
	}
	m.b = append(m.b, '[')
	for i, value := range values {
		if i > 0 {
			m.b = append(m.b, ',')
		}
		m.b = appendText(m.b, value)
	}
	m.b = append(m.b, ']')
}

func (m *members) elapsed(key string, d time.Duration) {
	if m.key(key) {
		m.b = strconv.AppendInt(m.b, d.Microseconds(), 10)
	}
}

func (m *members) yes(key string) {
	if m.key(key) {
		m.b = append(m.b, "true"...)
	}
}

func (m *members) time(key string, t time.Time) {
	if m.key(key) {
		m.b = append(t.AppendFormat(append(m.b, '"'), time.RFC3339Nano), '"')
	}
}

func (m *members) certificate(key string, c *Certificate) {
	if !m.key(key) {
		return
	}
	m.b, m.first = append(m.b, '{'), true
	c.tell(m)
	m.b, m.first = append(m.b, '}'), false
}

// plain are the bytes that stand for themselves in a JSON string.
var plain = func() (p [256]bool) {
	for c := ' '; c <= '~'; c++ {
		p[c] = c != '"' && c != '\\'
	}
	return p
}()

// appendText appends s as a JSON string. Most values need no escape; for the rest
// encoding/json knows the rules.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if !plain[s[i]] {
			text, err := json.Marshal(s)
			if err != nil { // a string always marshals
				panic(err)
			}
			return append(b, text...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}
