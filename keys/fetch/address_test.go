package fetch

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"
)

func TestUnsuited(t *testing.T) {
	for _, tt := range []struct {
		addr string
		open bool
	}{
		{"8.8.8.8", true},
		{"1.1.1.1", true},
		{"193.0.6.139", true},
		{"2606:4700:4700::1111", true},
		{"2a00:1450:4001:81c::200e", true},

		{"0.0.0.0", false},
		{"10.1.2.3", false},
		{"100.64.0.1", false},
		{"100.100.100.200", false}, // metadata
		{"127.0.0.1", false},
		{"127.255.255.254", false},
		{"168.63.129.16", false},   // metadata
		{"169.254.169.254", false}, // metadata
		{"172.16.0.1", false},
		{"172.31.255.255", false},
		{"172.32.0.1", true},
		{"192.0.0.192", false}, // metadata
		{"192.0.2.1", false},
		{"192.88.99.1", false},
		{"192.168.1.1", false},
		{"198.18.0.1", false},
		{"198.19.255.255", false},
		{"198.51.100.1", false},
		{"203.0.113.1", false},
		{"224.0.0.1", false},
		{"239.255.255.255", false},
		{"240.0.0.1", false},
		{"255.255.255.255", false},

		{"::", false},
		{"::1", false},
		{"::7f00:1", false},                   // IPv4-compatible
		{"::ffff:127.0.0.1", false},           // mapped
		{"::ffff:8.8.8.8", true},              // reaches a public host
		{"::ffff:0:127.0.0.1", false},         // translated
		{"64:ff9b::7f00:1", false},            // NAT64 of 127.0.0.1
		{"64:ff9b::808:808", false},           // NAT64 at all
		{"64:ff9b:1::a00:1", false},           // local-use NAT64
		{"100::1", false},                     // discard
		{"2001::1", false},                    // Teredo
		{"2001:2::1", false},                  // benchmarking
		{"2001:20::1", false},                 // ORCHIDv2
		{"2001:db8::1", false},                // documentation
		{"2002:7f00:1::1", false},             // 6to4 of 127.0.0.1
		{"3fff::1", false},                    // documentation
		{"5f00::1", false},                    // segment routing
		{"fc00::1", false},                    // ULA
		{"fd00:ec2::254", false},              // metadata
		{"fd20:ce::254", false},               // metadata
		{"fe80::1", false},                    // link-local
		{"fe80::1%eth0", false},               //
		{"2606:4700:4700::1111%eth0", false},  // no public address has a zone
		{"fec0::1", false},                    // site-local
		{"ff02::1", false},                    // multicast
		{"ffff:ffff:ffff:ffff:ffff::", false}, //
		{"2620:4f:8000::1", false},            // AS112
		{"2001:1ff:ffff:ffff:ffff::1", false}, // end of the protocol assignments
		{"2001:200::1", true},                 // and what comes after
		{"1fff:ffff::1", false},               // before global unicast
		{"4000::1", false},                    // after it
	} {
		addr := netip.MustParseAddr(tt.addr)
		if why := unsuited(addr); (why == "") != tt.open {
			t.Errorf("%s: %q", addr, why)
		}
	}
}

func TestAllow(t *testing.T) {
	c, err := New(Config{Allow: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00:1::/64"), netip.MustParsePrefix("127.0.0.2/32")}})
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]bool{
		"10.1.2.3": true, "::ffff:10.1.2.3": true, "10.2.0.1": false, "fd00:1::1": true, "fd00:1::1%eth0": false, "fd00:2::1": false,
		"127.0.0.2": true, "127.0.0.1": false, "8.8.8.8": true,
	} {
		err := c.judge(netip.AddrPortFrom(netip.MustParseAddr(addr), 443))
		if (err == nil) != want {
			t.Errorf("%s: %v", addr, err)
		}
		if refused := (*AddressError)(nil); err != nil && !errors.As(err, &refused) {
			t.Errorf("%s: %T", addr, err)
		}
	}
}

// FuzzUnsuited: whatever form an IPv4 address takes inside an IPv6 one, it is not
// a way around.
func FuzzUnsuited(f *testing.F) {
	for _, seed := range []uint32{0x7f000001, 0xa9fea9fe, 0x0a000001, 0x08080808, 0xc0a80101} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, bits uint32) {
		var four [4]byte
		binary.BigEndian.PutUint32(four[:], bits)
		addr := netip.AddrFrom4(four)
		plain := unsuited(addr)
		if mapped := unsuited(netip.AddrFrom16(addr.As16())); mapped != plain {
			t.Errorf("%s is %q, mapped %q", addr, plain, mapped)
		}
		if (addr.IsLoopback() || addr.IsPrivate() || addr.IsLinkLocalUnicast() || addr.IsMulticast() || addr.IsUnspecified()) && plain == "" {
			t.Errorf("%s is open", addr)
		}
		for _, prefix := range []string{"::", "64:ff9b::", "64:ff9b:1::", "::ffff:0:0:0"} {
			sixteen := netip.MustParseAddr(prefix).As16()
			copy(sixteen[12:], four[:])
			if in := netip.AddrFrom16(sixteen); unsuited(in) == "" && in.Unmap() == in {
				t.Errorf("%s is open", in)
			}
		}
		to4 := netip.MustParseAddr("2002::1").As16()
		copy(to4[2:], four[:])
		if unsuited(netip.AddrFrom16(to4)) == "" {
			t.Errorf("6to4 of %s is open", addr)
		}
	})
}
