package sqlstore

import (
	"crypto/sha256"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/certbound/certbound/storage"
)

// whole is an event with a value in every member.
func whole() storage.AuditEvent {
	return storage.AuditEvent{
		StreamID: 1, Seq: 7, Time: time.Unix(1_800_000_000, 0).UTC(), Kind: "token.refused", Reason: "subject_mismatch",
		PartnerID: "acme", ClientID: "edge", Actor: "admin", Thumbprint: sha256.Sum256([]byte("x")), TokenID: "jti",
		RequestID: "000102030405060708090a0b0c0d0eff", Detail: `{"a":[1,"b"]}`, Hash: sha256.Sum256([]byte("h")),
	}
}

// TestLine: how an event stands in the database is for people to read, and does not
// change.
func TestLine(t *testing.T) {
	e := whole()
	got, err := appendLine(nil, &e)
	const want = `{"seq":7,"time":1800000000,"kind":"token.refused","reason":"subject_mismatch","partner":"acme","client":"edge",` +
		`"actor":"admin","jti":"jti","request_id":"000102030405060708090a0b0c0d0eff",` +
		`"x5t#S256":"LXEWQrcmsEQBYnyp-6wy9chTD7GQPMTbAiWHF5IaSIE","detail":{"a":[1,"b"]},"hash":"qqlAJmTxpB9A67xSyZk-tmrrNmYClY_fqig7ceZNsSM"}`
	if err != nil || string(got) != want {
		t.Errorf("got  %s, error %v\nwant %s", got, err, want)
	}
}

// TestBodyReadsBack: in batches of any size, with texts of any kind.
func TestBodyReadsBack(t *testing.T) {
	details := []string{"{}", `{"a": "}\n"}`, "{\n}", "{} ", " {}", "text", `"text"`, "[]", "{", `{"a":1}}`, ",\n{", "", "null", "Söhne\u2028\x00"}
	var events []storage.AuditEvent
	for i, detail := range details {
		e := whole()
		e.Seq, e.Detail, e.ClientID, e.Hash = int64(i+1), detail, detail, storage.AuditHash{byte(i + 1)}
		e.Prev = storage.AuditHash{byte(i)}
		events = append(events, e)
	}
	body, err := encodeBody(events)
	if err != nil {
		t.Fatal(err)
	}
	b := batch{streamID: 1, first: 1, last: int64(len(events)), lines: linesOf(body)}
	for i, want := range events {
		if got, ok := b.find(want.Seq); !ok || cmp.Diff(want, got) != "" {
			t.Errorf("detail %q, found %t:\n%s", details[i], ok, cmp.Diff(want, got))
		}
	}
	if _, ok := b.find(int64(len(events) + 1)); ok {
		t.Error("found an event beyond the end")
	}
}

// TestRefusedLines: what would not read back as it is.
func TestRefusedLines(t *testing.T) {
	for want, change := range map[string]func(*storage.AuditEvent){
		"storage: audit event 7 has no kind":                       func(e *storage.AuditEvent) { e.Kind = "" },
		"storage: audit event 7 has no time":                       func(e *storage.AuditEvent) { e.Time = time.Time{} },
		"storage: audit event 7: a text is not UTF-8":              func(e *storage.AuditEvent) { e.ClientID = "a\xff" },
		`storage: request id "0A" is not 32 lower-case hex digits`: func(e *storage.AuditEvent) { e.RequestID = "0A" },
	} {
		e := whole()
		change(&e)
		if _, err := encodeBody([]storage.AuditEvent{e}); err == nil || err.Error() != want {
			t.Errorf("got error %v, want %s", err, want)
		}
	}
}

// FuzzDecodeLine: a line is refused, or is the one way to write its event.
func FuzzDecodeLine(f *testing.F) {
	e := whole()
	good, err := appendLine(nil, &e)
	if err != nil {
		f.Fatal(err)
	}
	text := string(good)
	for _, other := range []string{
		text, "", "{}", "null", text + " ", " " + text, strings.Replace(text, `"client":"edge"`, `"client":"edge","Client":"mallory"`, 1),
		strings.Replace(text, `"edge"`, `"\u0065dge"`, 1), strings.Replace(text, `"actor":"admin",`, `"actor":"",`, 1),
		strings.Replace(text, `"seq":7`, `"seq":7.0`, 1), strings.Replace(text, `"detail":{`, `"detail": {`, 1),
	} {
		f.Add(other)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := decodeLine(text)
		if err != nil {
			return
		}
		again, err := appendLine(nil, &e)
		if err != nil || string(again) != text {
			t.Errorf("%q is taken for %q, error %v", text, again, err)
		}
	})
}

// TestOtherWordsAreUnreadable: what says the same to a JSON parser does not pass for
// what was written.
func TestOtherWordsAreUnreadable(t *testing.T) {
	e := whole()
	good, err := appendLine(nil, &e)
	if err != nil {
		t.Fatal(err)
	}
	for _, changed := range []string{
		strings.Replace(string(good), `"client":`, `"Client":"edge","client":`, 1), strings.Replace(string(good), `"seq":`, `"seq": `, 1), "x",
	} {
		b := batch{streamID: 1, first: 7, last: 7, lines: []string{changed}}
		got, ok := b.find(7)
		if !ok || got.Kind != "" || got.Hash != (storage.AuditHash{}) || !strings.Contains(got.Detail, "unreadable") {
			t.Errorf("%s reads as %+v", changed, got)
		}
	}
}

// FuzzDecodeSeqs: a list is refused, or ascends and is bounded.
func FuzzDecodeSeqs(f *testing.F) {
	for _, text := range []string{"0", "0-3", "0,2-5,9", "", "-", "3-1", "0,0", "0-1048577", "+1", "1-2-3"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		seqs, err := decodeSeqs(5, text)
		if err != nil {
			return
		}
		if !slices.IsSorted(seqs) || len(seqs) == 0 || len(seqs) > maxDistance+1 {
			t.Errorf("%q gives %d numbers", text, len(seqs))
		}
	})
}

// TestSeqsReadBack: runs, gaps and single numbers.
func TestSeqsReadBack(t *testing.T) {
	for want, seqs := range map[string][]int64{"0": {9}, "0-1": {9, 10}, "0-2,4,6-7": {9, 10, 11, 13, 15, 16}, "0,2": {1, 3}} {
		text := encodeSeqs(seqs)
		got, err := decodeSeqs(seqs[0], text)
		if text != want || err != nil || !slices.Equal(got, seqs) {
			t.Errorf("%v is %s, want %s, and reads back as %v, error %v", seqs, text, want, got, err)
		}
	}
}
