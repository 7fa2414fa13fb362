package cli_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/certbound/certbound/cmd/certbound/internal/cli"
)

func TestCode(t *testing.T) {
	cause := errors.New("no")
	for _, tt := range []struct {
		err  error
		want int
	}{
		{nil, cli.Fine},
		{cause, cli.Local},
		{cli.Exit(cli.Refused, cause), cli.Refused},
		{fmt.Errorf("token: %w", cli.Exit(cli.Failed, cause)), cli.Failed},
		{cli.Exit(cli.Failed, nil), cli.Fine},
	} {
		if got := cli.Code(tt.err); got != tt.want {
			t.Errorf("Code(%v) = %d, want %d", tt.err, got, tt.want)
		}
	}
	if err := cli.Exit(cli.Refused, cause); !errors.Is(err, cause) || err.Error() != "no" {
		t.Errorf("Exit hides its cause: %v", err)
	}
}

func TestJSON(t *testing.T) {
	var b strings.Builder
	if err := cli.JSON(&b, map[string]string{"url": "https://a/?b&c"}); err != nil {
		t.Fatal(err)
	}
	if want := "{\n  \"url\": \"https://a/?b&c\"\n}\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}

func TestOneOf(t *testing.T) {
	o := cli.OneOf{Value: "text", Allowed: []string{"text", "json"}}
	if o.Type() != "text|json" || o.String() != "text" {
		t.Errorf("type %q, value %q", o.Type(), o.String())
	}
	if err := o.Set("yaml"); err == nil || err.Error() != `"yaml" is not one of text, json` {
		t.Errorf("Set(yaml): %v", err)
	}
	if err := o.Set("json"); err != nil || o.Value != "json" {
		t.Errorf("Set(json): %v, value %q", err, o.Value)
	}
}
