package dev

import (
	"fmt"
	"strings"
)

// Next returns what to do with a running dev: curl commands that work as they
// are printed, in any directory, with nothing but curl and sed.
func (i *Info) Next() string {
	curl := func(flags, client string) string {
		command := "curl -sS" + flags + " --cacert " + quote(i.Path(i.CA))
		if c, err := i.Client(client); err == nil {
			command += " --cert " + quote(i.Path(c.Cert)) + " --key " + quote(i.Path(c.Key))
		}
		return command
	}
	bearer := ` -H "Authorization: Bearer $TOKEN" ` + i.Proxy + "/accounts"
	var b strings.Builder
	fmt.Fprintf(&b, `certbound dev is up (pid %d); Ctrl-C stops it.
  authorization server  %s
  API behind the proxy  %s/accounts
  all about it          %s

`, i.PID, i.Issuer, i.Proxy, i.Path(infoName))
	say := func(comment, command string) { fmt.Fprintf(&b, "# %s\n%s\n\n", comment, command) }
	say("acme-billing gets a token, bound to its certificate:",
		"TOKEN=$("+curl("", "acme-billing")+" -d grant_type=client_credentials -d client_id=acme-billing -d scope=accounts:read "+
			i.TokenEndpoint+` | sed -n 's/.*"access_token" *: *"\([^"]*\)".*/\1/p')`)
	say("and calls the API with it: 200, and the API sees who calls.", curl("", "acme-billing")+bearer)
	say("The token is stolen. mallory-app has a valid certificate of its own: 401 thumbprint_mismatch.",
		curl(" -i", "mallory-app")+bearer)
	say("Without any certificate: 401 certificate_missing.", curl(" -i", "")+bearer)
	say("acme-billing may read and not write: 403 scope_insufficient.", curl(" -i -X POST", "acme-billing")+bearer)
	return b.String()
}

// quote makes s one word of a POSIX shell.
func quote(s string) string {
	plain := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("/._-+:@", r)
	}
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
