package fetch

import (
	"fmt"
	"net/netip"
)

// AddressError is a connection that was not made because of where it led.
type AddressError struct {
	Addr netip.AddrPort
	Why  string // what kind of address it is
}

func (e *AddressError) Error() string {
	return fmt.Sprintf("fetch: %s is not an address of the public internet (%s); allow its network if it is meant", e.Addr, e.Why)
}

// special is a block of addresses that are not, or not only, hosts of the public
// internet.
type special struct {
	prefix netip.Prefix
	why    string
}

func block(prefix, why string) special { return special{netip.MustParsePrefix(prefix), why} }

// specials are the IANA registries of special-purpose addresses (RFC 6890 and its
// updates, of 2026), multicast, and what clouds answer their guests on outside of
// those. Entries that IANA calls globally reachable are here too: nobody publishes
// keys in them. In IPv6 only 2000::/3 is open in the first place, which leaves out
// mapped, NAT64, local, link-local and multicast addresses.
var specials = []special{
	block("0.0.0.0/8", "this network"),
	block("10.0.0.0/8", "private use"),
	block("100.64.0.0/10", "shared address space"),
	block("127.0.0.0/8", "loopback"),
	block("168.63.129.16/32", "metadata of a cloud"),
	block("169.254.0.0/16", "link-local, metadata of clouds"),
	block("172.16.0.0/12", "private use"),
	block("192.0.0.0/24", "IETF protocol assignments"),
	block("192.0.2.0/24", "documentation"),
	block("192.31.196.0/24", "AS112"),
	block("192.52.193.0/24", "AMT"),
	block("192.88.99.0/24", "6to4 relays"),
	block("192.168.0.0/16", "private use"),
	block("192.175.48.0/24", "AS112"),
	block("198.18.0.0/15", "benchmarking"),
	block("198.51.100.0/24", "documentation"),
	block("203.0.113.0/24", "documentation"),
	block("224.0.0.0/4", "multicast"),
	block("240.0.0.0/4", "reserved"),

	block("2001::/23", "IETF protocol assignments, Teredo"),
	block("2001:db8::/32", "documentation"),
	block("2002::/16", "6to4"),
	block("2620:4f:8000::/48", "AS112"),
	block("3fff::/20", "documentation"),
}

var globalUnicast6 = netip.MustParsePrefix("2000::/3")

// unsuited says what is wrong with connecting to an address, or "".
func unsuited(addr netip.Addr) string {
	if addr.Zone() != "" {
		return "an address with a zone"
	}
	addr = addr.Unmap() // a mapped one reaches the IPv4 host
	for _, s := range specials {
		if s.prefix.Contains(addr) {
			return s.why
		}
	}
	if addr.Is6() && !globalUnicast6.Contains(addr) {
		return "not global unicast"
	}
	return ""
}

// judge is asked for each connection, with the address it is about to go to.
func (c *Client) judge(to netip.AddrPort) error {
	addr := to.Addr().Unmap()
	for _, allowed := range c.config.Allow {
		if allowed.Contains(addr) { // never one with a zone
			return nil
		}
	}
	if why := unsuited(addr); why != "" {
		return &AddressError{to, why}
	}
	return nil
}
