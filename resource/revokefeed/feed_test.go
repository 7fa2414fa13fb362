package revokefeed_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/certbound/certbound/resource/revokefeed"
)

const print43 = "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"

func at(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }

// delta is a feed with an entry of each kind.
func delta() *revokefeed.Feed {
	return &revokefeed.Feed{
		Issuer: issuerURL, IssuedAt: at(1790000000), Expiry: at(1790000060), After: 3, Seq: 9, Head: 9,
		Entries: []revokefeed.Entry{
			{Kind: "client", Subject: "acme-billing", MinGeneration: 4, Action: "deny", Seq: 4, Expires: at(1790000360)},
			{Kind: "certificate", Subject: print43, Action: "deny", Seq: 5, Expires: at(1790003660)},
			{Kind: "token", Subject: "one", Action: "deny", Seq: 7, Expires: at(1790000360)},
			{Kind: "token", Subject: "two<\"é", Client: "acme-billing", Generation: 3, Action: "deny", Seq: 8, Expires: at(1790000360)},
			{Kind: "key", Subject: "k1", Action: "lift", Seq: 9, Expires: at(1790003660)},
		},
	}
}

const deltaJSON = `{"iss":"https://as.example","iat":1790000000,"exp":1790000060,"seq":9,"head":9,"full":false,"after":3,"entries":[` +
	`{"kind":"client","sub":"acme-billing","min_gen":4,"action":"deny","seq":4,"exp":1790000360},` +
	`{"kind":"certificate","sub":"A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0","action":"deny","seq":5,"exp":1790003660},` +
	`{"kind":"token","sub":"one","action":"deny","seq":7,"exp":1790000360},` +
	`{"kind":"token","sub":"two\u003c\"é","client":"acme-billing","gen":3,"action":"deny","seq":8,"exp":1790000360},` +
	`{"kind":"key","sub":"k1","action":"lift","seq":9,"exp":1790003660}]}`

const emptyJSON = `{"iss":"https://as.example","iat":1790000000,"exp":1790000060,"seq":0,"head":0,"full":true,"entries":[]}`

func TestMarshalAndParse(t *testing.T) {
	empty := &revokefeed.Feed{Issuer: issuerURL, IssuedAt: at(1790000000), Expiry: at(1790000060), Full: true, Entries: []revokefeed.Entry{}}
	for _, tt := range []struct {
		feed *revokefeed.Feed
		text string
	}{{delta(), deltaJSON}, {empty, emptyJSON}} {
		got, err := tt.feed.Marshal()
		if err != nil || string(got) != tt.text {
			t.Errorf("Marshal: %v\n got %s\nwant %s", err, got, tt.text)
		}
		back, err := revokefeed.Parse([]byte(tt.text))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.feed, back); diff != "" {
			t.Errorf("read back (-want +got):\n%s", diff)
		}
	}
}

func TestParseIgnoresUnknownClaims(t *testing.T) {
	text := strings.Replace(emptyJSON, `{"iss"`, `{"ISS":"x","jti":null,"iss"`, 1)
	if _, err := revokefeed.Parse([]byte(text)); err != nil {
		t.Error(err)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct{ old, with, err string }{
		{`"iss":"https://as.example",`, ``, `claim iss is missing`},
		{`"iat":1790000000,`, ``, `claim iat is missing`},
		{`"exp":1790000060,`, ``, `claim exp is missing`},
		{`"seq":9,`, ``, `claim seq is missing`},
		{`"head":9,`, ``, `claim head is missing`},
		{`"full":false,`, ``, `claim full is missing`},
		{`"after":3,`, ``, `claim after is missing from a delta`},
		{`"entries"`, `"Entries"`, `claim entries is missing`},
		{`"iss":"https://as.example"`, `"iss":1`, `claim iss is not a string`},
		{`"iss":"https://as.example"`, `"iss":""`, `claim iss is empty`},
		{`https://as.example`, "\xff", `claim iss is not UTF-8`},
		{`"iat":1790000000`, `"iat":1.79e9`, `claim iat is not a whole number`},
		{`"iat":1790000000`, `"iat":"1790000000"`, `claim iat is not a whole number`},
		{`"iat":1790000000`, `"iat":null`, `claim iat is not a whole number`},
		{`"iat":1790000000`, `"iat":1790000060`, `claim exp is not after iat`},
		{`"exp":1790000060`, `"exp":253402300800`, `claim exp is out of range`},
		{`"seq":9,"head"`, `"seq":-9,"head"`, `claim seq is not a whole number`},
		{`"head":9`, `"head":8`, `claim head is before seq`},
		{`"head":9`, `"head":9007199254740993`, `claim head is out of range`},
		{`"full":false`, `"full":"false"`, `claim full is not true or false`},
		{`"full":false`, `"full":null`, `claim full is not true or false`},
		{`"full":false`, `"full":true`, `claim after does not belong into a full feed`},
		{`"after":3`, `"after":4`, `entry 0: seq 4 does not follow 4`},
		{`"after":3`, `"after":10`, `claim after is beyond seq`},
		{`"seq":9,"head":9`, `"seq":8,"head":9`, `an entry has seq 9 in a feed of seq 8`},
		{`"seq":7`, `"seq":5`, `entry 2: seq 5 does not follow 5`},
		{`"iss"`, `"iss":"https://as.example","iss"`, `json: duplicate key 'iss' in object`},
		{`"kind":"client",`, ``, `claim entries element 0: member kind is missing`},
		{`"sub":"one",`, ``, `claim entries element 2: member sub is missing`},
		{`"sub":"one"`, `"sub":""`, `claim entries element 2: member sub is empty`},
		{`"sub":"one"`, `"sub":["one"]`, `claim entries element 2: member sub is not a string`},
		{`"sub":"one"`, `"sub":"` + strings.Repeat("x", 513) + `"`, `claim entries element 2: member sub is longer than 512 octets`},
		{`"sub":"one"`, `"sub":"one","sub":"two"`, `claim entries element 2: is not an object with distinct members`},
		{`"sub":"one"`, `"sub":"one","aud":"x"`, `claim entries element 2: unknown member "aud"`},
		{`"sub":"one"`, `"SUB":"one"`, `claim entries element 2: member sub is missing`},
		{`"action":"deny","seq":7`, `"seq":7`, `claim entries element 2: member action is missing`},
		{`"action":"deny","seq":7`, `"action":"Deny","seq":7`, `claim entries element 2: unknown action "Deny"`},
		{`"min_gen":4,`, ``, `claim entries element 0: member min_gen is missing`},
		{`"min_gen":4,`, `"min_gen":0,`, `claim entries element 0: member min_gen is missing`},
		{`"action":"deny","seq":4`, `"action":"lift","seq":4`, `claim entries element 0: generations are never lifted`},
		{`"kind":"token"`, `"kind":"token","min_gen":1`, `claim entries element 2: member min_gen does not belong to the kind token`},
		{`"kind":"token"`, `"kind":"partner"`, `claim entries element 2: unknown kind "partner"`},
		{print43, print43[1:], `claim entries element 1: thumbprint: not 43 characters of canonical unpadded base64url (RFC 8705 §3.1)`},
		{print43, strings.Repeat("A", 43), `claim entries element 1: the thumbprint is all zero, which no certificate has`},
		{`"gen":3,`, ``, `claim entries element 3: of the members client and gen one is missing`},
		{`"client":"acme-billing",`, ``, `claim entries element 3: of the members client and gen one is missing`},
		{`"client":"acme-billing",`, `"client":"",`, `claim entries element 3: member client is empty`},
		{`"kind":"key",`, `"kind":"key","client":"a","gen":1,`, `claim entries element 4: members client and gen do not belong to the kind key`},
		{`"exp":1790003660}]`, `"exp":1790003660},null]`, `claim entries element 5: is not an object with distinct members`},
		{`[{"kind"`, `{"kind"`, ``},
		{deltaJSON, `null`, `not a JSON object`},
		{deltaJSON, `[]`, ``},
		{deltaJSON, ``, ``},
		{deltaJSON, deltaJSON + `{}`, ``},
		{deltaJSON, strings.Replace(emptyJSON, `"head":0`, `"head":5`, 1), `there is more to come, but this part is empty`},
		{deltaJSON, strings.Repeat(" ", revokefeed.MaxSize) + deltaJSON, `more than 8388608 octets`},
		{deltaJSON, strings.Replace(emptyJSON, `[]`, `[`+strings.Repeat("1,", revokefeed.MaxEntries)+`1]`, 1), `claim entries has more than 50000 elements`},
	} {
		text := strings.Replace(deltaJSON, tt.old, tt.with, 1)
		if text == deltaJSON {
			t.Fatalf("%q is not there to be replaced", tt.old)
		}
		_, err := revokefeed.Parse([]byte(text))
		switch {
		case !errors.Is(err, revokefeed.ErrMalformed):
			t.Errorf("%.60q: %v", tt.with, err)
		case tt.err != "" && err.Error() != "revokefeed: malformed: "+tt.err:
			t.Errorf("%.60q: %q, want %q", tt.with, err, tt.err)
		}
	}
}

func TestMarshalRefusesWhatParseWould(t *testing.T) {
	for name, change := range map[string]func(*revokefeed.Feed){
		"no issuer":          func(f *revokefeed.Feed) { f.Issuer = "" },
		"no times":           func(f *revokefeed.Feed) { f.IssuedAt, f.Expiry = time.Time{}, time.Time{} },
		"disorder":           func(f *revokefeed.Feed) { f.Entries[0], f.Entries[1] = f.Entries[1], f.Entries[0] },
		"after of a full":    func(f *revokefeed.Feed) { f.Full = true },
		"a kind of nobody's": func(f *revokefeed.Feed) { f.Entries[2].Kind = "" },
		"no expiry":          func(f *revokefeed.Feed) { f.Entries[2].Expires = time.Time{} },
		"no generation":      func(f *revokefeed.Feed) { f.Entries[0].MinGeneration = 0 },
		"below zero":         func(f *revokefeed.Feed) { f.Entries[0].MinGeneration = -1 },
		"no client":          func(f *revokefeed.Feed) { f.Entries[3].Client = "" },
		"no token's client":  func(f *revokefeed.Feed) { f.Entries[1].Client, f.Entries[1].Generation = "a", 1 },
		"a long name":        func(f *revokefeed.Feed) { f.Entries[3].Client = strings.Repeat("x", 513) },
		"a large number":     func(f *revokefeed.Feed) { f.Head = 1<<53 + 1 },
		"after below zero":   func(f *revokefeed.Feed) { f.After = -1 },
		"full, below zero":   func(f *revokefeed.Feed) { f.Full, f.After = true, -1 },
		"more to come":       func(f *revokefeed.Feed) { f.Entries, f.Head = nil, 10 },
		"too many":           func(f *revokefeed.Feed) { f.Entries = make([]revokefeed.Entry, revokefeed.MaxEntries+1) },
		"invalid UTF-8":      func(f *revokefeed.Feed) { f.Entries[1].Subject = "\xff" },
	} {
		f := delta()
		change(f)
		payload, err := f.Marshal()
		if err == nil || !strings.HasPrefix(err.Error(), "revokefeed: refusing to write an unreadable feed: revokefeed: malformed: ") {
			t.Errorf("%s: %v, %s", name, err, payload)
		}
	}
}

// TestMarshalAgreesWithParse changes one member of a feed at a time to what is at
// the edge of a rule: what is written can be read and says the same, and what is
// refused could not have been read.
func TestMarshalAgreesWithParse(t *testing.T) {
	texts := []string{"", "a", print43, "a b", "\x00", "\u2028", "\xc3", "<&>\"\\", strings.Repeat("é", 256), strings.Repeat("x", 512), strings.Repeat("x", 513)}
	numbers := []int64{-2, -1, 0, 1, 3, 4, 9, 10, 1<<53 - 1, 1 << 53, 1<<53 + 1}
	times := []time.Time{{}, at(-1), at(0), at(1790000000), at(1790000001), at(253402300799), at(253402300800)}
	written := 0
	try := func(change func(*revokefeed.Feed)) {
		t.Helper()
		f := delta()
		change(f)
		payload, err := f.Marshal()
		if err != nil {
			return
		}
		written++
		back, err := revokefeed.Parse(payload)
		if err != nil {
			t.Errorf("written and not to be read: %v\n%s", err, payload)
		} else if diff := cmp.Diff(f, back); diff != "" {
			t.Errorf("read back otherwise:\n%s", diff)
		}
	}
	for _, s := range texts {
		try(func(f *revokefeed.Feed) { f.Issuer = s })
		for i := range delta().Entries {
			try(func(f *revokefeed.Feed) { f.Entries[i].Subject = s })
			try(func(f *revokefeed.Feed) { f.Entries[i].Client = s })
		}
	}
	for _, n := range numbers {
		try(func(f *revokefeed.Feed) { f.Seq = n })
		try(func(f *revokefeed.Feed) { f.Head = n })
		try(func(f *revokefeed.Feed) { f.After = n })
		try(func(f *revokefeed.Feed) { f.After, f.Full = n, true })
		for i := range delta().Entries {
			try(func(f *revokefeed.Feed) { f.Entries[i].Seq = n })
			try(func(f *revokefeed.Feed) { f.Entries[i].MinGeneration = n })
			try(func(f *revokefeed.Feed) { f.Entries[i].Generation = n })
		}
	}
	for _, when := range times {
		try(func(f *revokefeed.Feed) { f.IssuedAt = when })
		try(func(f *revokefeed.Feed) { f.Expiry = when })
		try(func(f *revokefeed.Feed) { f.Entries[2].Expires = when })
	}
	if written < 30 {
		t.Errorf("only %d feeds were written", written)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(deltaJSON))
	f.Add([]byte(emptyJSON))
	f.Add([]byte(`{"iss":"a","iat":0,"exp":1,"seq":0,"head":0,"full":false,"after":0,"entries":[]}`))
	f.Add([]byte(`{"entries":[{}]}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		feed, err := revokefeed.Parse(payload)
		if err != nil {
			if feed != nil || !errors.Is(err, revokefeed.ErrMalformed) {
				t.Fatalf("%v beside %v", feed, err)
			}
			return
		}
		// What can be read can be written, and means the same.
		text, err := feed.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		again, err := revokefeed.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(feed, again); diff != "" {
			t.Fatal(fmt.Sprintf("%q reads back otherwise:\n", payload) + diff)
		}
	})
}
