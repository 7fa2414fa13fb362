package readme

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	page := strings.ReplaceAll(`# Title
'''console
$ one
out
$ two \
> more
$ certbound dev --dir x
up
…
$ sleep 9 &
'''
text
'''yaml
$ not: a command
'''
'''sh
three
four
'''
`, "'''", "```")
	got, err := Parse(page)
	if err != nil {
		t.Fatal(err)
	}
	want := []Command{
		{Line: 3, Text: "one", Output: "out\n", Shown: true, Opens: true},
		{Line: 5, Text: "two \\\nmore"},
		{Line: 7, Text: "certbound dev --dir x", Output: "up\n…\n", Shown: true, Background: true},
		{Line: 10, Text: "sleep 9", Background: true},
		{Line: 17, Text: "three\nfour", Opens: true},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

func TestParseRefuses(t *testing.T) {
	for page, want := range map[string]string{
		"```sh\nx\n":                "readme: line 1: the block is not closed",
		"```console\nx\n$ y\n```\n": `readme: line 2: output before the first command; begin commands with "$ "`,
	} {
		if _, err := Parse(page); err == nil || err.Error() != want {
			t.Errorf("Parse(%q): %v, want %s", page, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("```console\n$ x\ny\n```\n")
	f.Add("```sh\nx\n```")
	f.Add("````\n```\n````")
	f.Fuzz(func(t *testing.T, page string) {
		commands, err := Parse(page)
		if err != nil {
			return
		}
		for _, c := range commands {
			if c.Line < 1 || c.Line > strings.Count(page, "\n")+1 {
				t.Errorf("line %d of %q", c.Line, page)
			}
		}
	})
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		shown, printed string
		same           bool
	}{
		{"a\nb", "a\nb\n", true},
		{"a", "\n\na  \n", true},
		{"a\nb", "a\nc", false},
		{"a", "a\nb", false},
		{"id …", "id 123", true},
		{"id …", "id 1\n2", false},
		{"{\"a\":\"…\",\"b\":1}", `{"a":"x.y","b":1}`, true},
		{"a\n…\nd", "a\nb\nc\nd", true},
		{"a\n…\nd", "a\nd", true},
		{"a\n…", "a", false}, // something has to follow, if only the line's end
		{"a\n…", "a\nb", true},
		{"…\nz", "a\nb\nz", true},
		{"a.c", "abc", false},
	} {
		if got := Match(c.shown, c.printed) == nil; got != c.same {
			t.Errorf("Match(%q, %q): %t", c.shown, c.printed, got)
		}
	}
	if !HasBegun("up\n…\ndone", "up\nx\ndone\nmore\n") || HasBegun("up\ndone", "up\n") {
		t.Error("HasBegun")
	}
}

func TestShell(t *testing.T) {
	s, err := NewShell(t.TempDir(), "GREETING=hello")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, c := range []struct {
		text, output string
		status       int
	}{
		{"X=1", "", 0},
		{"echo $GREETING $X; echo error >&2", "hello 1\nerror\n", 0},
		{"false", "", 1},
		{"cat", "", 0},
		{"cat <<'END'\nheredoc\nEND", "heredoc\n", 0},
		{"printf 'no line break'", "no line break", 0},
	} {
		output, status, err := s.Run(c.text, time.Minute)
		if err != nil || output != c.output || status != c.status {
			t.Errorf("%s: %q, status %d, %v", c.text, output, status, err)
		}
	}
	same := func(text string) string { return text }
	if err := s.Begin("echo up; exec cat /dev/zero >/dev/null", "up", same, time.Minute); err != nil {
		t.Error(err)
	}
	if err := s.Begin("echo down", "up", same, time.Minute); err == nil || !strings.Contains(err.Error(), "it ended") {
		t.Errorf("a process that ends: %v", err)
	}
	if _, _, err := s.Run("exit 3", time.Minute); err == nil {
		t.Error("the end of the shell goes unnoticed")
	}
}
