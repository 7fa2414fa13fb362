package accesstoken_test

import (
	"errors"
	"testing"

	"github.com/certbound/certbound/resource/accesstoken"
)

const activeAnswer = `{"active":true,"iss":"https://as.example","client_id":"a","aud":"https://api.example","exp":1700000000`

func TestParseIntrospection(t *testing.T) {
	const x5t = "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"
	for _, tt := range []struct {
		name, answer string
		active       bool
		err          string // "" for none
	}{
		{"inactive", `{"active":false}`, false, ""},
		{"inactive, and what else it says is nothing", `{"active":false,"client_id":7,"exp":"x"}`, false, ""},
		{"active", activeAnswer + `}`, true, ""},
		{"with what others add", activeAnswer + `,"token_type":"Bearer","username":null,"realm_access":{"roles":[]}}`, true, ""},
		{"bound", activeAnswer + `,"cnf":{"x5t#S256":"` + x5t + `"}}`, false, `accesstoken: malformed: introspection answer: cnf member x5t#S256 is not a thumbprint; it must be the unpadded base64url of the SHA-256 of the DER certificate`},
		{"bound by DPoP", activeAnswer + `,"cnf":{"jkt":"x"}}`, false, "accesstoken: not bound to a certificate: cnf has no x5t#S256"},
		{"two confirmations", activeAnswer + `,"cnf":{"x5t#S256":"A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0","jkt":"x"}}`, false, "accesstoken: malformed: introspection answer: cnf names more than one confirmation method"},
		{"active as text", `{"active":"true"}`, false, "accesstoken: malformed: introspection answer: active is neither true nor false"},
		{"ACTIVE", `{"ACTIVE":true}`, false, "accesstoken: malformed: introspection answer: active is neither true nor false"},
		{"no active", `{"client_id":"a"}`, false, "accesstoken: malformed: introspection answer: active is neither true nor false"},
		{"no iss", `{"active":true,"client_id":"a","aud":"x","exp":1}`, false, "accesstoken: malformed: introspection answer: iss is missing"},
		{"no aud", `{"active":true,"iss":"https://as.example","client_id":"a","exp":1}`, false, "accesstoken: malformed: introspection answer: aud is missing"},
		{"no exp", `{"active":true,"iss":"https://as.example","client_id":"a","aud":"x"}`, false, "accesstoken: malformed: introspection answer: exp is missing"},
		{"exp as text", `{"active":true,"iss":"https://as.example","client_id":"a","aud":"x","exp":"1"}`, false, "accesstoken: malformed: introspection answer: exp is not a whole number"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			claims, active, err := accesstoken.ParseIntrospection([]byte(tt.answer))
			if text(err) != tt.err || active != tt.active || (claims != nil) != tt.active {
				t.Errorf("%+v, %t, %v\nwant %t, %s", claims, active, err, tt.active, tt.err)
			}
		})
	}
	for _, answer := range []string{"", "null", "[]", "true", `{"active":false,"active":true}`, activeAnswer + `,"exp":2}`, activeAnswer + "}{}", "{\"active\":true,\"iss\":\"\xff\"}"} {
		if _, active, err := accesstoken.ParseIntrospection([]byte(answer)); active || !errors.Is(err, accesstoken.ErrMalformed) {
			t.Errorf("%q: %t, %v", answer, active, err)
		}
	}
	c, _, err := accesstoken.ParseIntrospection([]byte(activeAnswer + `,"scope":"a b","jti":"j","cnf":{"x5t#S256":"A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"},"aud":["x"]}`))
	if err == nil {
		t.Errorf("aud twice: %+v", c)
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func FuzzParseIntrospection(f *testing.F) {
	f.Add([]byte(`{"active":false}`))
	f.Add([]byte(activeAnswer + `,"cnf":{"x5t#S256":"A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"}}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		c, active, err := accesstoken.ParseIntrospection(answer)
		if active != (c != nil) || active && err != nil {
			t.Fatalf("%+v, %t, %v", c, active, err)
		}
		if active && (c.Issuer == "" || c.ClientID == "" || len(c.Audience) == 0 || c.Expiry.IsZero()) {
			t.Fatalf("active with less than we need: %+v", c)
		}
	})
}
