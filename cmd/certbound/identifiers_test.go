package main

import (
	"strings"
	"testing"
)

func TestIdentifiersThatBeginWithADash(t *testing.T) {
	const id = "-kG8RUCZ0DjV1awSWXJNzWgqYO42Z6b1q4aGJx3uFB8"
	for _, c := range [][2]string{
		{"cert revoke " + id + " --reason test", "cert revoke --reason test -- " + id},
		{"cert revoke --reason=test " + id, "cert revoke --reason=test -- " + id},
		{"audit list --thumbprint " + id, "audit list --thumbprint " + id},
		{"audit list --thumbprint=" + id + " -o json", "audit list --thumbprint=" + id + " -o json"},
		{"cert revoke -- " + id, "cert revoke -- " + id},
		{"cert revoke " + id[1:] + " --reason test", "cert revoke " + id[1:] + " --reason test"},
		{"cert revoke -o json", "cert revoke -o json"},
	} {
		if got := strings.Join(identifiersLast(strings.Fields(c[0])), " "); got != c[1] {
			t.Errorf("%s\nbecomes %s\nwant    %s", c[0], got, c[1])
		}
	}
	if got := identifiersLast(nil); len(got) != 0 {
		t.Errorf("nothing becomes %q", got)
	}
}
