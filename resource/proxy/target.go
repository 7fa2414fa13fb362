package proxy

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/certbound/certbound/resource/decision"
)

// checkTarget refuses request targets with more than one reading: their form,
// their path, a fragment behind the query, and a blank in the query, which HTTP/2
// can say and which ends the target in the request line of an upstream that speaks
// HTTP/1.1. Queries that cannot be parsed or hold a token are left to the verifier,
// which answers them with a challenge.
func checkTarget(r *http.Request) error {
	if err := checkForm(r); err != nil {
		return err
	}
	if err := CheckPath(decision.Path(r.URL)); err != nil {
		return err
	}
	if strings.Contains(r.URL.RawQuery, "#") {
		return errors.New("proxy: request target has a fragment")
	}
	if strings.Contains(r.URL.RawQuery, " ") { // net/url has refused every control character
		return errors.New("proxy: query has a blank, which may not stand in it unencoded")
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
	if name := serverName(r); name != "" && !strings.EqualFold(hostname(u.Host), name) {
		return fmt.Errorf("proxy: absolute-form target names another host than the TLS handshake (%q)", name)
	}
	return nil
}

// hostConfirmed reports whether the request's Host is the name the caller asked
// for in the TLS handshake, which the server certificate answered for. Without
// SNI (a caller who dials an address sends none) nothing confirms it.
func hostConfirmed(r *http.Request) bool {
	name := serverName(r)
	if name == "" {
		return false
	}
	if _, port, err := net.SplitHostPort(r.Host); err == nil {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return false
		}
	}
	return strings.EqualFold(hostname(r.Host), name)
}

func serverName(r *http.Request) string {
	if r.TLS == nil {
		return ""
	}
	return r.TLS.ServerName
}

func hostname(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return hostport
}
