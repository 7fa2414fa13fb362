package audit

import (
	"encoding/json"
	"log/slog"
	"math"
	"testing"
	"time"
)

// TestDetailIsJSON compares each kind of value with what encoding/json makes of it.
func TestDetailIsJSON(t *testing.T) {
	for _, c := range []struct {
		value slog.Value
		want  string
	}{
		{slog.StringValue("plain"), `"plain"`},
		{slog.StringValue(""), `""`},
		{slog.StringValue("a\"b\\c\x00\x1b\x7f\u2028é<&>"), `"a\"b\\c\u0000\u001b\u007f\u2028é<&>"`},
		{slog.StringValue("\xff"), `"\ufffd"`},
		{slog.Int64Value(-7), `-7`},
		{slog.BoolValue(true), `true`},
		{slog.AnyValue([]string{"a", `b"`}), `["a","b\""]`},
		{slog.AnyValue([]string{}), `[]`},
		{slog.TimeValue(time.Date(2026, 11, 22, 13, 0, 0, 5, time.FixedZone("", 3600))), `"2026-11-22T12:00:00Z"`},
		{slog.Float64Value(1.5), `1.5`},
		{slog.AnyValue(math.NaN()), `"not recorded: json: unsupported value: NaN"`},
		{slog.GroupValue(slog.String("x", "y"), slog.Int64("n", 1), slog.String("jti", "a column")), `{"x":"y","n":1}`},
	} {
		got := appendMembers(nil, []slog.Attr{slog.String("reason", "a column"), {Key: "k", Value: c.value}})
		var have, want any
		if err := json.Unmarshal(got, &have); err != nil {
			t.Errorf("%s: %v", got, err)
			continue
		}
		if err := json.Unmarshal([]byte(`{"k":`+c.want+`}`), &want); err != nil {
			t.Fatal(err)
		}
		if a, b := marshalled(t, have), marshalled(t, want); a != b {
			t.Errorf("%s, want %s", a, b)
		}
	}
	if got := string(appendMembers(nil, nil)); got != "{}" {
		t.Errorf("nothing is %s", got)
	}
}

func marshalled(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// FuzzDetailText: whatever a stranger had logged, the detail is JSON and says it.
func FuzzDetailText(f *testing.F) {
	for _, seed := range []string{"", "plain", `"`, "\\", "\x00", "\xff\xfe", "é", "\u2028"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := appendMembers(nil, []slog.Attr{slog.String("k", text)})
		var have map[string]string
		if err := json.Unmarshal(got, &have); err != nil {
			t.Fatalf("%q: %v", got, err)
		}
		var want string
		if err := json.Unmarshal([]byte(marshalled(t, text)), &want); err != nil {
			t.Fatal(err)
		}
		if have["k"] != want {
			t.Errorf("%q reads %q", text, have["k"])
		}
	})
}
