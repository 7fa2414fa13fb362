package accesstoken_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/resource/accesstoken"
)

// good is a token's payload with every claim, one a line, so that a test can
// replace one.
const good = `{
"iss":"https://as.example",
"sub":"acme-billing",
"client_id":"acme-billing",
"aud":"https://api.example",
"iat":1790000000,
"nbf":1790000000,
"exp":1790000300,
"jti":"one",
"scope":"accounts:read accounts:write",
"cnf":{"x5t#S256":"A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"},
"partner":"acme",
"gen":7
}`

const bound = "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"

func goodClaims(t *testing.T) *accesstoken.Claims {
	t.Helper()
	print, err := thumbprint.Parse(bound)
	if err != nil {
		t.Fatal(err)
	}
	return &accesstoken.Claims{
		Issuer: "https://as.example", Subject: "acme-billing", ClientID: "acme-billing",
		Audience: []string{"https://api.example"}, ID: "one", Partner: "acme",
		IssuedAt: time.Unix(1790000000, 0).UTC(), NotBefore: time.Unix(1790000000, 0).UTC(),
		Expiry: time.Unix(1790000300, 0).UTC(), Scopes: []string{"accounts:read", "accounts:write"},
		Thumbprint: print, Generation: 7,
	}
}

// replace swaps one line of good; an empty with drops the claim.
func replace(t *testing.T, name, with string) string {
	t.Helper()
	lines := strings.Split(strings.Trim(good, "{}\n"), "\n")
	var kept []string
	found := false
	for _, line := range lines {
		line = strings.TrimSuffix(line, ",")
		if strings.HasPrefix(line, `"`+name+`":`) {
			found = true
			line = with
		}
		if line != "" {
			kept = append(kept, line)
		}
	}
	if !found {
		t.Fatalf("no claim %s to replace", name)
	}
	return "{" + strings.Join(kept, ",") + "}"
}

func TestParseGood(t *testing.T) {
	got, err := accesstoken.Parse([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(goodClaims(t), got); diff != "" {
		t.Errorf("claims differ (-want +got):\n%s", diff)
	}
}

func TestParseVariants(t *testing.T) {
	for _, tt := range []struct {
		name, claim, with string
		check             func(*accesstoken.Claims) bool
	}{
		{"aud as an array", "aud", `"aud":["x","https://api.example"]`, func(c *accesstoken.Claims) bool {
			return len(c.Audience) == 2 && c.Audience[1] == "https://api.example"
		}},
		{"no scope", "scope", "", func(c *accesstoken.Claims) bool { return c.Scopes == nil }},
		{"no nbf", "nbf", "", func(c *accesstoken.Claims) bool { return c.NotBefore.IsZero() }},
		{"no private claims", "partner", "", func(c *accesstoken.Claims) bool { return c.Partner == "" }},
		{"no gen", "gen", "", func(c *accesstoken.Claims) bool { return c.Generation == 0 }},
		{"an unknown claim", "gen", `"gen":1,"groups":[{"a":null}]`, func(c *accesstoken.Claims) bool { return c.Generation == 1 }},
		{"escapes in a string", "jti", `"jti":"\u006fne"`, func(c *accesstoken.Claims) bool { return c.ID == "one" }},
		{"escapes in a name", "jti", `"\u006ati":"one"`, func(c *accesstoken.Claims) bool { return c.ID == "one" }},
		{"another letter case beside it", "exp", `"exp":1790000300,"EXP":1`, func(c *accesstoken.Claims) bool { return c.Expiry.Unix() == 1790000300 }},
		{"the last second", "exp", `"exp":253402300799`, func(c *accesstoken.Claims) bool { return c.Expiry.Year() == 9999 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := accesstoken.Parse([]byte(replace(t, tt.claim, tt.with)))
			if err != nil {
				t.Fatal(err)
			}
			if !tt.check(c) {
				t.Errorf("read as %+v", c)
			}
		})
	}
}

const want = "; it must be the unpadded base64url of the SHA-256 of the DER certificate"

func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct{ claim, with, err string }{
		{"iss", "", "accesstoken: malformed: claim iss is missing"},
		{"sub", "", "accesstoken: malformed: claim sub is missing"},
		{"client_id", "", "accesstoken: malformed: claim client_id is missing"},
		{"aud", "", "accesstoken: malformed: claim aud is missing"},
		{"iat", "", "accesstoken: malformed: claim iat is missing"},
		{"exp", "", "accesstoken: malformed: claim exp is missing"},
		{"jti", "", "accesstoken: malformed: claim jti is missing"},
		{"exp", `"EXP":1790000300`, "accesstoken: malformed: claim exp is missing"},
		{"aud", `"AUD":"https://api.example"`, "accesstoken: malformed: claim aud is missing"},
		{"iss", `"iss":null`, "accesstoken: malformed: claim iss is not a string"},
		{"iss", `"iss":""`, "accesstoken: malformed: claim iss is empty"},
		{"iss", `"iss":["https://as.example"]`, "accesstoken: malformed: claim iss is not a string"},
		{"sub", `"sub":7`, "accesstoken: malformed: claim sub is not a string"},
		{"jti", `"jti":{}`, "accesstoken: malformed: claim jti is not a string"},
		{"client_id", `"client_id":"a\nX-Admin: 1"`, "accesstoken: malformed: claim client_id holds characters outside of printable ASCII"},
		{"partner", `"partner":"acmé"`, "accesstoken: malformed: claim partner holds characters outside of printable ASCII"},
		{"client_id", `"client_id":"a "`, "accesstoken: malformed: claim client_id begins or ends with a space"},
		{"partner", `"partner":" a"`, "accesstoken: malformed: claim partner begins or ends with a space"},
		{"partner", `"partner":null`, "accesstoken: malformed: claim partner is not a string"},
		{"aud", `"aud":[]`, "accesstoken: malformed: claim aud is empty"},
		{"aud", `"aud":["https://api.example",1]`, "accesstoken: malformed: claim aud is not a string"},
		{"aud", `"aud":[["https://api.example"]]`, "accesstoken: malformed: claim aud is not a string"},
		{"aud", `"aud":{"0":"https://api.example"}`, "accesstoken: malformed: claim aud is not a string"},
		{"aud", `"aud":null`, "accesstoken: malformed: claim aud is not a string"},
		{"aud", `"aud":""`, "accesstoken: malformed: claim aud is empty"},
		{"exp", `"exp":"1790000300"`, "accesstoken: malformed: claim exp is not a whole number"},
		{"exp", `"exp":null`, "accesstoken: malformed: claim exp is not a whole number"},
		{"exp", `"exp":[1790000300]`, "accesstoken: malformed: claim exp is not a whole number"},
		{"exp", `"exp":true`, "accesstoken: malformed: claim exp is not a whole number"},
		{"exp", `"exp":1790000300.5`, "accesstoken: malformed: claim exp is not a whole number"},
		{"exp", `"exp":17900003e2`, "accesstoken: malformed: claim exp is not a whole number"},
		{"exp", `"exp":9e999`, "accesstoken: malformed: claim exp is not a whole number"},
		{"exp", `"exp":-1`, "accesstoken: malformed: claim exp is not a whole number"},
		{"exp", `"exp":253402300800`, "accesstoken: malformed: claim exp is out of range"},
		{"exp", `"exp":` + strings.Repeat("9", 2000), "accesstoken: malformed: claim exp is out of range"},
		{"nbf", `"nbf":"1790000000"`, "accesstoken: malformed: claim nbf is not a whole number"},
		{"iat", `"iat":{}`, "accesstoken: malformed: claim iat is not a whole number"},
		{"gen", `"gen":-1`, "accesstoken: malformed: claim gen is not a whole number"},
		{"gen", `"gen":9007199254740993`, "accesstoken: malformed: claim gen is out of range"},
		{"scope", `"scope":""`, "accesstoken: malformed: claim scope is empty"},
		{"scope", `"scope":["accounts:read"]`, "accesstoken: malformed: claim scope is not a string"},
		{"scope", `"scope":"a  b"`, "accesstoken: malformed: claim scope is not a list of scope tokens separated by one space"},
		{"scope", `"scope":" a"`, "accesstoken: malformed: claim scope is not a list of scope tokens separated by one space"},
		{"scope", `"scope":"a\tb"`, "accesstoken: malformed: claim scope is not a list of scope tokens separated by one space"},
		{"scope", `"scope":"a\u00a0b"`, "accesstoken: malformed: claim scope is not a list of scope tokens separated by one space"},
		{"cnf", "", "accesstoken: not bound to a certificate: there is no cnf claim"},
		{"cnf", `"CNF":{"x5t#S256":"` + bound + `"}`, "accesstoken: not bound to a certificate: there is no cnf claim"},
		{"cnf", `"x5t#S256":"` + bound + `"`, "accesstoken: not bound to a certificate: there is no cnf claim"},
		{"cnf", `"cnf":{}`, "accesstoken: not bound to a certificate: cnf has no x5t#S256"},
		{"cnf", `"cnf":{"X5T#S256":"` + bound + `"}`, "accesstoken: not bound to a certificate: cnf has no x5t#S256"},
		{"cnf", `"cnf":{"jkt":"` + bound + `"}`, "accesstoken: not bound to a certificate: cnf has no x5t#S256"},
		{"cnf", `"cnf":{"x5t":"` + bound + `"}`, "accesstoken: not bound to a certificate: cnf has no x5t#S256"},
		{"cnf", `"cnf":{"x5t#S256":"` + bound + `","jkt":"x"}`, "accesstoken: malformed: claim cnf names more than one confirmation method"},
		{"cnf", `"cnf":{"x5t#S256":"` + bound + `","kid":"x"}`, "accesstoken: malformed: claim cnf names more than one confirmation method"},
		{"cnf", `"cnf":"` + bound + `"`, "accesstoken: malformed: claim cnf is not an object with distinct members"},
		{"cnf", `"cnf":null`, "accesstoken: malformed: claim cnf is not an object with distinct members"},
		{"cnf", `"cnf":[{"x5t#S256":"` + bound + `"}]`, "accesstoken: malformed: claim cnf is not an object with distinct members"},
		{"cnf", `"cnf":7`, "accesstoken: malformed: claim cnf is not an object with distinct members"},
		{"cnf", `"cnf":{"x5t#S256":"` + bound + `","x5t#S256":"` + bound + `"}`, "accesstoken: malformed: claim cnf is not an object with distinct members"},
		{"cnf", `"cnf":{"x5t#S256":["` + bound + `"]}`, "accesstoken: malformed: claim cnf member x5t#S256 is not a string"},
		{"cnf", `"cnf":{"x5t#S256":null}`, "accesstoken: malformed: claim cnf member x5t#S256 is not a string"},
		{"cnf", `"cnf":{"x5t#S256":""}`, "accesstoken: malformed: claim cnf member x5t#S256 is empty"},
		{"cnf", `"cnf":{"x5t#S256":"` + strings.Repeat("0a", 32) + `"}`, "accesstoken: malformed: claim cnf member x5t#S256 is hex" + want},
		{"cnf", `"cnf":{"x5t#S256":"` + strings.Repeat("0A:", 31) + `0A"}`, "accesstoken: malformed: claim cnf member x5t#S256 is hex" + want},
		{"cnf", `"cnf":{"x5t#S256":"` + strings.Repeat("0a", 20) + `"}`, "accesstoken: malformed: claim cnf member x5t#S256 is a SHA-1 thumbprint" + want},
		{"cnf", `"cnf":{"x5t#S256":"` + bound[:27] + `="}`, "accesstoken: malformed: claim cnf member x5t#S256 is a SHA-1 thumbprint" + want},
		{"cnf", `"cnf":{"x5t#S256":"` + bound + `="}`, "accesstoken: malformed: claim cnf member x5t#S256 is padded" + want},
		{"cnf", `"cnf":{"x5t#S256":"+` + bound[1:] + `"}`, "accesstoken: malformed: claim cnf member x5t#S256 is in the standard base64 alphabet" + want},
		{"cnf", `"cnf":{"x5t#S256":"` + bound[:42] + `"}`, "accesstoken: malformed: claim cnf member x5t#S256 is not a thumbprint" + want},
		{"cnf", `"cnf":{"x5t#S256":"` + bound + `A"}`, "accesstoken: malformed: claim cnf member x5t#S256 is not a thumbprint" + want},
		{"cnf", `"cnf":{"x5t#S256":" ` + bound[1:] + `"}`, "accesstoken: malformed: claim cnf member x5t#S256 is not a thumbprint" + want},
		{"cnf", `"cnf":{"x5t#S256":"` + bound[:42] + `1"}`, "accesstoken: malformed: claim cnf member x5t#S256 is not a thumbprint" + want},
		{"cnf", `"cnf":{"x5t#S256":"` + strings.Repeat("A", 43) + `"}`, "accesstoken: malformed: claim cnf member x5t#S256 is all zero, which no certificate has"},
	} {
		t.Run(tt.claim+"/"+tt.with, func(t *testing.T) {
			c, err := accesstoken.Parse([]byte(replace(t, tt.claim, tt.with)))
			if c != nil || err == nil {
				t.Fatalf("accepted as %+v", c)
			}
			if err.Error() != tt.err {
				t.Errorf("error\n got %q\nwant %q", err, tt.err)
			}
			if errors.Is(err, accesstoken.ErrUnbound) == errors.Is(err, accesstoken.ErrMalformed) {
				t.Errorf("%q is not exactly one of the package's errors", err)
			}
		})
	}
}

// TestParseRefusesDuplicates repeats each claim: readers disagree about which
// one counts (RFC 8725 §2.6).
func TestParseRefusesDuplicates(t *testing.T) {
	for line := range strings.SplitSeq(strings.Trim(good, "{}\n"), "\n") {
		line = strings.TrimSuffix(line, ",")
		if _, err := accesstoken.Parse([]byte("{" + line + "," + good[1:])); !errors.Is(err, accesstoken.ErrMalformed) {
			t.Errorf("%s twice: got %v", line, err)
		}
	}
	escaped := "{" + `"\u0065xp":1,` + good[1:]
	if _, err := accesstoken.Parse([]byte(escaped)); !errors.Is(err, accesstoken.ErrMalformed) {
		t.Errorf("exp twice, once with an escape: got %v", err)
	}
}

func TestParseRefusesOtherDocuments(t *testing.T) {
	for _, payload := range []string{
		"", " ", "null", "[]", `"text"`, "7", "true", "[" + good + "]", good + good, good + "x",
		"\ufeff" + good, strings.Replace(good, "acme", "ac\xffme", 1), "{" + strings.Repeat("[", 6000),
		strings.Replace(good, `"gen":7`, `"gen":7,`, 1), strings.ReplaceAll(good, `"`, "'"),
	} {
		if c, err := accesstoken.Parse([]byte(payload)); !errors.Is(err, accesstoken.ErrMalformed) {
			t.Errorf("%.40q: got %+v, %v", payload, c, err)
		}
	}
}

func TestInsecureParseUnbound(t *testing.T) {
	c, err := accesstoken.InsecureParseUnbound([]byte(replace(t, "cnf", "")))
	if err != nil || !c.Thumbprint.IsZero() {
		t.Fatalf("a token without cnf: %+v, %v", c, err)
	}
	c, err = accesstoken.InsecureParseUnbound([]byte(good))
	if err != nil || c.Thumbprint.String() != bound {
		t.Fatalf("a bound token: %+v, %v", c, err)
	}
	// A confirmation we cannot check never counts as none.
	for _, cnf := range []string{`"cnf":{}`, `"cnf":null`, `"cnf":{"jkt":"x"}`, `"cnf":{"x5t#S256":"` + strings.Repeat("A", 43) + `"}`} {
		if c, err := accesstoken.InsecureParseUnbound([]byte(replace(t, "cnf", cnf))); err == nil {
			t.Errorf("%s was taken for an unbound token: %+v", cnf, c)
		}
	}
}

func TestMarshal(t *testing.T) {
	c := goodClaims(t)
	payload, err := c.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"iss":"https://as.example","sub":"acme-billing","client_id":"acme-billing","aud":"https://api.example",` +
		`"iat":1790000000,"nbf":1790000000,"exp":1790000300,"jti":"one","scope":"accounts:read accounts:write",` +
		`"cnf":{"x5t#S256":"` + bound + `"},"partner":"acme","gen":7}`
	if string(payload) != want {
		t.Errorf("payload\n got %s\nwant %s", payload, want)
	}
	back, err := accesstoken.Parse(payload)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(c, back); diff != "" {
		t.Errorf("round trip (-want +got):\n%s", diff)
	}
}

func TestMarshalRefuses(t *testing.T) {
	for name, spoil := range map[string]func(*accesstoken.Claims){
		"no issuer":       func(c *accesstoken.Claims) { c.Issuer = "" },
		"no subject":      func(c *accesstoken.Claims) { c.Subject = "" },
		"no client":       func(c *accesstoken.Claims) { c.ClientID = "" },
		"no audience":     func(c *accesstoken.Claims) { c.Audience = nil },
		"two audiences":   func(c *accesstoken.Claims) { c.Audience = []string{"a", "b"} },
		"no jti":          func(c *accesstoken.Claims) { c.ID = "" },
		"no exp":          func(c *accesstoken.Claims) { c.Expiry = time.Time{} },
		"no iat":          func(c *accesstoken.Claims) { c.IssuedAt = time.Time{} },
		"not bound":       func(c *accesstoken.Claims) { c.Thumbprint = thumbprint.Thumbprint{} },
		"a bad scope":     func(c *accesstoken.Claims) { c.Scopes = []string{`say "hi"`} },
		"an empty scope":  func(c *accesstoken.Claims) { c.Scopes = []string{"a", ""} },
		"gen below zero":  func(c *accesstoken.Claims) { c.Generation = -1 },
		"exp before 1970": func(c *accesstoken.Claims) { c.Expiry = time.Unix(-1, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			c := goodClaims(t)
			spoil(c)
			if payload, err := c.Marshal(); err == nil {
				t.Errorf("wrote %s", payload)
			}
		})
	}
}

// FuzzParse holds the reader to what the writer can say: whatever is accepted
// can be written again (for one audience), and reads the same.
func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(strings.Replace(good, `"https://api.example"`, `["https://api.example"]`, 1)))
	f.Add([]byte("null"))
	f.Add([]byte(strings.Repeat(`{"cnf":`, 100)))
	f.Fuzz(func(t *testing.T, payload []byte) {
		c, err := accesstoken.Parse(payload)
		if err != nil {
			if c != nil {
				t.Fatal("claims beside an error")
			}
			return
		}
		if c.Thumbprint.IsZero() || c.Issuer == "" || c.ClientID == "" || len(c.Audience) == 0 || c.Expiry.IsZero() {
			t.Fatalf("accepted without what is required: %+v", c)
		}
		if len(c.Audience) != 1 {
			return
		}
		again, err := c.Marshal()
		if err != nil {
			t.Fatalf("%+v cannot be written: %v", c, err)
		}
		back, err := accesstoken.Parse(again)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c, back); diff != "" {
			t.Fatalf("changed by writing (-first +second):\n%s", diff)
		}
	})
}

// FuzzMarshal holds the writer to the reader: what is written is read back as it
// was, whatever the fields hold.
func FuzzMarshal(f *testing.F) {
	f.Add("https://as.example", "acme", "https://api.example", "a b", "jti", int64(1_700_000_000), int64(3), byte(1))
	f.Add("<&>\"\\\n", "\x00", "\u2028", "a  b", "\xff", int64(-1), int64(-1), byte(0))
	f.Fuzz(func(t *testing.T, issuer, client, audience, scope, id string, at, generation int64, first byte) {
		c := &accesstoken.Claims{
			Issuer: issuer, Subject: client, ClientID: client, Partner: client, Audience: []string{audience}, ID: id,
			IssuedAt: time.Unix(at, 0).UTC(), Expiry: time.Unix(at, 0).UTC(), Generation: generation,
			Thumbprint: thumbprint.Thumbprint{first}, Scopes: strings.Split(scope, " "),
		}
		payload, err := c.Marshal()
		if err != nil {
			return
		}
		got, err := accesstoken.Parse(payload)
		if err != nil {
			t.Fatalf("wrote %s, which cannot be read: %v", payload, err)
		}
		if diff := cmp.Diff(c, got); diff != "" {
			t.Errorf("%s\n%s", payload, diff)
		}
	})
}

func BenchmarkMarshal(b *testing.B) {
	c := &accesstoken.Claims{
		Issuer: "https://as.example", Subject: "acme", ClientID: "acme", Partner: "acme", Audience: []string{"https://api.example"},
		ID: "8Vbl0sHq2p0yT1cM0QmPp5N1b4Y", IssuedAt: time.Unix(1_700_000_000, 0), Expiry: time.Unix(1_700_000_300, 0),
		Generation: 3, Thumbprint: thumbprint.Thumbprint{1}, Scopes: []string{"accounts:read"},
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Marshal(); err != nil {
			b.Fatal(err)
		}
	}
}
