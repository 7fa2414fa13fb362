package demo

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func TestTell(t *testing.T) {
	result := func(o outcome, err error) func(context.Context) (outcome, error) {
		return func(context.Context) (outcome, error) { return o, err }
	}
	refused := outcome{status: 401, reason: "thumbprint_mismatch"}
	steps := []step{
		{"issued", outcome{status: 200}, result(outcome{status: 200}, nil)},
		{"allowed", outcome{status: 200, reached: 1}, result(outcome{status: 200, reached: 1}, nil)},
		{"refused", refused, result(refused, nil)},
		{"let through", refused, result(outcome{status: 200, reached: 1}, nil)},
		{"refused too late", refused, result(outcome{status: 401, reason: "thumbprint_mismatch", reached: 2}, nil)},
		{"for another reason", refused, result(outcome{status: 401, reason: "token_expired"}, nil)},
		{"not answered", refused, result(outcome{}, errors.New("connection refused"))},
	}
	var b strings.Builder
	good, err := tell(t.Context(), &b, steps)
	if good != 3 || err != nil {
		t.Errorf("tell = %d, %v", good, err)
	}
	pad := strings.Repeat(" ", 58)
	line := func(verdict, title, text string) string {
		return verdict + title + pad[len(title):] + "  " + text + "\n"
	}
	want := line("ok    1  ", "issued", "200") +
		line("ok    2  ", "allowed", "200, reached the API") +
		line("ok    3  ", "refused", "401 thumbprint_mismatch, API not reached") +
		line("FAIL  4  ", "let through", "200, reached the API; want 401 thumbprint_mismatch") +
		line("FAIL  5  ", "refused too late", "401 thumbprint_mismatch, reached the API 2 times; want 401 thumbprint_mismatch") +
		line("FAIL  6  ", "for another reason", "401 token_expired; want 401 thumbprint_mismatch") +
		line("FAIL  7  ", "not answered", "connection refused") +
		"3 of 7 as they should be\n"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestTellSaysWhenItCannotBeHeard(t *testing.T) {
	steps := []step{{"issued", outcome{status: 200}, func(context.Context) (outcome, error) { return outcome{status: 200}, nil }}}
	if _, err := tell(t.Context(), full{}, steps); err == nil || err.Error() != "disk full" {
		t.Errorf("err = %v", err)
	}
}

func TestBoundTo(t *testing.T) {
	for token, want := range map[string]string{
		"opaque":          "the token is not a signed JWT",
		"a.!.c":           "the token's payload: illegal base64 data at input byte 0",
		"a.e30.c":         "thumbprint: not 43 characters of canonical unpadded base64url (RFC 8705 §3.1)",
		"a.bm90IEpTT04.c": "the token's claims: invalid character 'o' in literal null (expecting 'u')",
	} {
		if _, err := boundTo(token); err == nil || err.Error() != want {
			t.Errorf("boundTo(%q) = %v, want %s", token, err, want)
		}
	}
}
