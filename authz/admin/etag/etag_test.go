package etag

import (
	"net/http"
	"testing"
)

func TestMatches(t *testing.T) {
	tag := Of(map[string]int{"version": 1})
	if other := Of(map[string]int{"version": 2}); other == tag || len(tag) != 34 || tag[0] != '"' {
		t.Errorf("tags %s and %s", tag, other)
	}
	for _, tt := range []struct {
		name   string
		values []string
		want   bool
	}{
		{"no condition", nil, true},
		{"the state", []string{tag}, true},
		{"any state", []string{"*"}, true},
		{"one of a list", []string{`"x" , ` + tag}, true},
		{"in another header line", []string{`"x"`, tag}, true},
		{"another state", []string{`"x"`}, false},
		{"weak", []string{"W/" + tag}, false},
		{"empty", []string{""}, false},
	} {
		if got := Matches(http.Header{Header: tt.values}, tag); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}
