package fetch

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// maxURL bounds an address in bytes.
const maxURL = 2048

// CheckURL says what is wrong with an https URL as an address to fetch from. It
// judges the text; where the name leads is judged at each connection. It is what
// a registration has to pass.
func CheckURL(raw string) error {
	_, err := parseURL(raw, false)
	return err
}

// parseURL reads an absolute URL; plain allows http beside https. It accepts less
// than net/url, so that no two readers can take it for different places.
func parseURL(raw string, plain bool) (*url.URL, error) {
	if raw == "" || len(raw) > maxURL {
		return nil, fmt.Errorf("fetch: a URL has 1 to %d bytes", maxURL)
	}
	for i := range len(raw) {
		if c := raw[i]; c <= ' ' || c > '~' || c == '\\' {
			return nil, errors.New("fetch: a URL consists of visible ASCII characters other than \\")
		}
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, errors.New("fetch: not a URL")
	}
	switch {
	case u.Scheme != "https" && (!plain || u.Scheme != "http"):
		return nil, errors.New("fetch: not an https URL")
	case u.User != nil:
		return nil, errors.New("fetch: a URL with a user or a password")
	case strings.Contains(raw, "#"):
		return nil, errors.New("fetch: a URL with a fragment")
	case u.Opaque != "" || u.Path != "" && u.Path[0] != '/':
		return nil, errors.New("fetch: not a URL with a host")
	}
	if err := checkHost(u.Hostname(), strings.HasPrefix(u.Host, "[")); err != nil {
		return nil, err
	}
	return u, checkPort(u)
}

// checkHost takes DNS names and addresses.
func checkHost(host string, bracketed bool) error {
	if bracketed {
		if addr, err := netip.ParseAddr(host); err != nil || !addr.Is6() || addr.Zone() != "" {
			return errors.New("fetch: not an IPv6 address in brackets")
		}
		return nil
	}
	for i := range len(host) {
		c := host[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letter && c != '-' && c != '.' && c != '_' {
			return errors.New("fetch: the host is not a DNS name (internationalised ones in their xn-- form)")
		}
	}
	if host == "" || len(host) > 253 || host[0] == '.' || strings.Contains(host, "..") {
		return errors.New("fetch: the host is not a DNS name")
	}
	return nil
}

// checkPort keeps away from the ports of other protocols: 443, 80 for http, and
// those above 1023.
func checkPort(u *url.URL) error {
	text := u.Port()
	if text == "" {
		if strings.HasSuffix(u.Host, ":") {
			return errors.New("fetch: a URL with an empty port")
		}
		return nil
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || strconv.FormatUint(port, 10) != text {
		return errors.New("fetch: not a port")
	}
	if port >= 1024 || port == 443 || port == 80 && u.Scheme == "http" {
		return nil
	}
	return fmt.Errorf("fetch: port %d belongs to another protocol; 443 and 1024 to 65535 are open", port)
}
