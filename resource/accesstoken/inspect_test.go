package accesstoken_test

import (
	"errors"
	"testing"

	"github.com/certbound/certbound/resource/accesstoken"
)

const inspected = `{"iss":"https://as","sub":"a","client_id":"a","aud":"x","iat":1,"exp":2,"jti":"j","cnf":{"x5t#S256":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE"}}`

func TestInspectListsEveryFault(t *testing.T) {
	_, faults := accesstoken.Inspect([]byte(`{"iss":"https://as","sub":7,"client_id":"a","aud":[],"iat":1,"jti":"j"}`))
	var claims []string
	for _, f := range faults {
		claims = append(claims, f.Claim)
	}
	if len(claims) != 4 || claims[0] != "sub" || claims[1] != "aud" || claims[2] != "exp" || claims[3] != "cnf" {
		t.Errorf("faults of %v, want sub, aud, exp and cnf", claims)
	}
	if c, faults := accesstoken.Inspect([]byte(inspected)); len(faults) != 0 || c.Subject != "a" {
		t.Errorf("%+v, %v", c, faults)
	}
}

// FuzzInspect holds Inspect to Parse: it finds no fault where Parse accepts, and
// begins with the one that Parse refuses for.
func FuzzInspect(f *testing.F) {
	f.Add(inspected)
	f.Add(`{"cnf":{"jkt":"x"},"iss":""}`)
	f.Add(`[]`)
	f.Fuzz(func(t *testing.T, payload string) {
		_, err := accesstoken.Parse([]byte(payload))
		_, faults := accesstoken.Inspect([]byte(payload))
		if (err == nil) != (len(faults) == 0) {
			t.Fatalf("Parse: %v; Inspect: %v", err, faults)
		}
		if err != nil && errors.Is(err, accesstoken.ErrUnbound) != errors.Is(faults[0].Err, accesstoken.ErrUnbound) {
			t.Errorf("Parse: %v; Inspect: %v", err, faults)
		}
	})
}
