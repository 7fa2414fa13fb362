package enroll

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// DefaultPerMinute is how many requests one address may send.
	DefaultPerMinute = 30

	maxAddresses = 4096 // that are remembered
)

// limiter counts the requests of each address. It forgets any address when there are
// too many: then somebody has thousands of them, and would not be stopped by this.
type limiter struct {
	each  rate.Limit
	burst int

	mu   sync.Mutex
	seen map[netip.Prefix]*rate.Limiter
}

func newLimiter(perMinute int) *limiter {
	return &limiter{each: rate.Limit(float64(perMinute) / 60), burst: perMinute, seen: map[netip.Prefix]*rate.Limiter{}}
}

func (l *limiter) allow(remote string, now time.Time) bool {
	who := network(remote)
	l.mu.Lock()
	defer l.mu.Unlock()
	one := l.seen[who]
	if one == nil {
		if len(l.seen) >= maxAddresses {
			for other := range l.seen { // any: the order of a map is random
				delete(l.seen, other)
				break
			}
		}
		one = rate.NewLimiter(l.each, l.burst)
		l.seen[who] = one
	}
	return one.AllowN(now, 1)
}

// network is whose request it is: an IPv4 address, or the /64 that one IPv6 host
// chooses its addresses from. What is no address (a unix socket) is one together.
func network(remote string) netip.Prefix {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Prefix{}
	}
	addr, bits := at.Addr().Unmap(), 32
	if addr.Is6() {
		bits = 64
	}
	return netip.PrefixFrom(addr.WithZone(""), bits).Masked()
}
