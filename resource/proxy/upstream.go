package proxy

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"github.com/certbound/certbound/resource/decision"
)

// ParseUpstream reads the address of an upstream as people write it. Whether a
// route may use it is judged by New and CheckRoutes.
func ParseUpstream(raw string) (*url.URL, error) {
	if raw == "" {
		return nil, errors.New("proxy: missing")
	}
	u, err := url.Parse(raw)
	if err == nil {
		return u, nil
	}
	// "127.0.0.1:9000" is no URL for a reason that helps nobody.
	if !strings.HasPrefix(raw, "http://") && !strings.HasPrefix(raw, "https://") && !strings.HasPrefix(raw, "unix://") {
		return nil, noScheme(raw)
	}
	// The text is left out: it may hold a password, and cannot be redacted.
	if wrapper := (*url.Error)(nil); errors.As(err, &wrapper) {
		err = wrapper.Err
	}
	return nil, fmt.Errorf("proxy: not a URL: %w", err)
}

// CheckUpstream says what a route would say of an upstream's address; insecure is
// Route.InsecurePlaintextUpstream.
func CheckUpstream(raw string, insecure bool) error {
	u, err := ParseUpstream(raw)
	if err != nil {
		return err
	}
	return checkUpstream(u, insecure)
}

func noScheme(raw string) error {
	return fmt.Errorf("proxy: %q does not start with http://, https:// or unix://", raw)
}

// checkUpstream accepts an http, https or unix address with nothing in it that a
// request could not keep to.
func checkUpstream(u *url.URL, insecure bool) error {
	switch {
	case u == nil:
		return errors.New("missing")
	case u.Scheme == "unix":
		return checkSocket(u)
	case u.Scheme != "http" && u.Scheme != "https":
		return plain(noScheme(u.Redacted()))
	case u.Hostname() == "" || u.Opaque != "":
		return fmt.Errorf("%q names no host", u.Redacted())
	case u.User != nil:
		return errors.New("holds a user or password; credentials do not belong in an address")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return fmt.Errorf("%q has a query or a fragment", u.Redacted())
	case u.Scheme == "http" && !insecure && !isLoopback(u.Hostname()):
		return fmt.Errorf("%q is plaintext to another machine: use https, or allow it explicitly (insecure_plaintext_upstream)", u.Redacted())
	}
	if u.Path == "" {
		return nil
	}
	if err := CheckPath(decision.Path(u)); err != nil {
		return plain(err)
	}
	return nil
}

// checkSocket wants the absolute path of a socket and nothing else.
func checkSocket(u *url.URL) error {
	plainPath := u.Host == "" && u.User == nil && u.Opaque == "" && u.RawQuery == "" && !u.ForceQuery && u.Fragment == ""
	if !plainPath || !strings.HasPrefix(u.Path, "/") || u.Path == "/" {
		return fmt.Errorf("%q is not unix:// and the absolute path of a socket", u.Redacted())
	}
	return nil
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// target is where requests of a route go.
type target struct {
	scheme, host string
	path, base   string // the upstream's base path without a final slash, decoded and as written
}

func targetOf(u *url.URL) target {
	if u.Scheme == "unix" {
		return target{scheme: "http", host: "localhost"} // the transport knows the socket
	}
	return target{
		scheme: u.Scheme, host: u.Host,
		path: strings.TrimSuffix(u.Path, "/"), base: strings.TrimSuffix(u.EscapedPath(), "/"),
	}
}

// url is the address of a request at its upstream. RawPath is always set, because
// net/url would otherwise choose an escaping of its own.
func (t *target) url(in *url.URL) *url.URL {
	return &url.URL{
		Scheme: t.scheme, Host: t.host,
		Path: t.path + in.Path, RawPath: t.base + decision.Path(in),
		RawQuery: in.RawQuery, ForceQuery: in.ForceQuery,
	}
}
