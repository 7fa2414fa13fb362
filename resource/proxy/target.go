package proxy

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// escapedPath returns the path as the caller spelled it. url.EscapedPath does
// not: it re-encodes what it holds for invalid, and would hide it from the rule.
func escapedPath(u *url.URL) string {
	if u.RawPath != "" {
		return u.RawPath
	}
	return u.EscapedPath() // RawPath is empty when this is what was received
}

// checkTarget refuses request targets with more than one reading: their form,
// their path, and a fragment behind the query. Queries that cannot be parsed or
// hold a token are left to the verifier, which answers them with a challenge.
func checkTarget(r *http.Request) error {
	if err := checkForm(r); err != nil {
		return err
	}
	if err := CheckPath(escapedPath(r.URL)); err != nil {
		return err
	}
	if strings.Contains(r.URL.RawQuery, "#") {
		return errors.New("proxy: request target has a fragment")
	}
	return nil
}

// checkForm accepts the origin form, and the absolute form where it names what
// the caller is connected to (RFC 9112 §3.2).
func checkForm(r *http.Request) error {
	u := r.URL
	if r.Method == http.MethodConnect {
		return errors.New("proxy: CONNECT is not for this server")
	}
	if u.Scheme == "" && u.Host == "" && u.Opaque == "" {
		return nil // origin form; CheckPath refuses the asterisk
	}
	if u.Scheme != "https" || u.Opaque != "" || u.User != nil || u.Host != r.Host {
		return errors.New("proxy: absolute-form target does not name this server by https")
	}
	if r.TLS != nil && r.TLS.ServerName != "" && !strings.EqualFold(hostname(u.Host), r.TLS.ServerName) {
		return fmt.Errorf("proxy: absolute-form target names another host than the TLS handshake (%q)", r.TLS.ServerName)
	}
	return nil
}

func hostname(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return hostport
}
