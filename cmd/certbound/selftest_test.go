package main

import (
	"strings"
	"testing"

	"github.com/certbound/certbound/keys/keystest"
)

// What the commands do stands in conformance; this is what they refuse to begin.
func TestSelftestAndDoctorUsage(t *testing.T) {
	cert, key := keystest.SelfSigned(t).WriteFiles(t, t.TempDir(), "a")
	good := []string{"--issuer", "https://127.0.0.1:1", "--proxy", "https://127.0.0.1:1", "--client-id", "a", "--cert", cert, "--key", key}
	for _, c := range []struct {
		want int
		say  string
		args []string
	}{
		{1, "required flag(s)", []string{"selftest"}},
		{1, "must all be set", append([]string{"selftest", "--other-cert", cert}, good...)},
		{1, "no such file", append([]string{"selftest", "--ca", "nowhere.pem"}, good...)},
		{1, "is not one of table, json", append([]string{"selftest", "-o", "yaml"}, good...)},
		{2, "the issuer's metadata", append([]string{"selftest"}, good...)},
		{1, "required flag(s)", []string{"doctor"}},
		{1, "no such file", []string{"doctor", "--config", "nowhere.yaml"}},
		{1, "no such file", []string{"doctor", "--config", cert, "--ca", "nowhere.pem"}},
		{3, "PROBLEM  configuration", []string{"doctor", "--config", cert}},
	} {
		if code, out, messages := run(t, c.args...); code != c.want || !strings.Contains(out+messages, c.say) {
			t.Errorf("%v: code %d, want %d and %q\n%s%s", c.args, code, c.want, c.say, out, messages)
		}
	}
}
