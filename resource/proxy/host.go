package proxy

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// host is a name a route answers to: lower case, without port. The zero value is
// any host.
type host struct {
	name     string
	wildcard bool // one label, whatever it is, in front of name
}

// String is the host as it is configured, "" for any.
func (h host) String() string {
	if h.wildcard {
		return "*." + h.name
	}
	return h.name
}

// parseHosts reads the hosts of a route; without any the route answers to all.
func parseHosts(raw []string, report func(string, error)) (hosts []host, fine bool) {
	if len(raw) == 0 {
		return []host{{}}, true
	}
	fine = true
	for _, text := range raw {
		h, err := parseHost(text)
		if err == nil && slices.Contains(hosts, h) {
			err = fmt.Errorf("%q is listed twice", text)
		}
		if err != nil {
			report("hosts", err)
			fine = false
			continue
		}
		hosts = append(hosts, h)
	}
	return hosts, fine
}

// parseHost accepts a DNS name in ASCII, an IP address, or a name with "*." in
// front. The star stands for exactly one label, so that no two of them match one
// host.
func parseHost(text string) (host, error) {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		return host{name: addr.String()}, nil
	}
	name, wildcard := strings.CutPrefix(text, "*.")
	if strings.Contains(name, "*") {
		return host{}, fmt.Errorf("%q: a wildcard is one whole label in front, as in *.example.com", text)
	}
	if err := checkName(name); err != nil {
		return host{}, fmt.Errorf("%q: %w", text, err)
	}
	if wildcard && !strings.Contains(name, ".") {
		return host{}, fmt.Errorf("%q: a wildcard needs two labels behind it at least", text)
	}
	return host{strings.ToLower(name), wildcard}, nil
}

// checkName accepts letters, digits and hyphens (RFC 1123 §2.1).
func checkName(name string) error {
	if strings.Contains(name, ":") {
		return errors.New("has a port or a scheme; write the name alone, ports are ignored")
	}
	for i := 0; i < len(name); i++ {
		if name[i] >= 0x80 {
			return errors.New("is not ASCII; write an internationalized name in its xn-- form")
		}
	}
	if len(name) > 253 {
		return errors.New("is longer than 253 characters")
	}
	for label := range strings.SplitSeq(name, ".") {
		if err := checkLabel(label); err != nil {
			return err
		}
	}
	return nil
}

func checkLabel(label string) error {
	bad := func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-'
	}
	if label == "" || len(label) > 63 || strings.ContainsFunc(label, bad) || label[0] == '-' || label[len(label)-1] == '-' {
		return errors.New("is not a host name: labels are letters, digits and hyphens, with a dot between two")
	}
	return nil
}

// requestHost is the host a request names, spelled as parseHost spells hosts.
func requestHost(r *http.Request) string {
	name := strings.ToLower(hostname(r.Host))
	if strings.HasPrefix(name, "[") || strings.Contains(name, ":") {
		if addr, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
			return addr.String()
		}
	}
	return name
}

// misdirected reports whether a request names another host than the handshake of
// its connection (RFC 9110 §7.4). It matters only where hosts decide: then what
// the certificate was shown for and what is asked for must be one thing.
func (t *table) misdirected(r *http.Request) bool {
	name := serverName(r)
	return name != "" && t.namesHosts() && requestHost(r) != strings.ToLower(name)
}
