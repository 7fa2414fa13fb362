package proxy

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/certbound/certbound/ratelimit"
	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/decision"
)

// Rates say how many requests may be made. A zero rate means no bound.
type Rates struct {
	// Client is the rate of each client, Partner that of all clients of a partner
	// together. Both are counted by the verified token, when everything but the rate
	// is in order, or on routes with Introspect before the issuer is asked: nobody else
	// can use up a client's rate.
	Client, Partner ratelimit.Config
	// Address is the rate of each address of the network (IPv6: of each /64), counted
	// before there is any work on the token. Callers behind one address share it.
	Address ratelimit.Config
}

// Limits are the counters behind Rates. They may be handed from one Proxy to the
// next, so that a new configuration does not forget what was counted.
type Limits struct {
	client, partner *ratelimit.Limiter[identity]
	address         *ratelimit.Limiter[netip.Prefix]
}

// identity is a name among those of its issuer.
type identity struct{ issuer, name string }

// NewLimits makes the counters.
func NewLimits(r Rates) (*Limits, error) {
	var l Limits
	var clientErr, partnerErr, addressErr error
	l.client, clientErr = newLimiter[identity](r.Client)
	l.partner, partnerErr = newLimiter[identity](r.Partner)
	l.address, addressErr = newLimiter[netip.Prefix](r.Address)
	return &l, errors.Join(clientErr, partnerErr, addressErr)
}

func newLimiter[K comparable](c ratelimit.Config) (*ratelimit.Limiter[K], error) {
	if c == (ratelimit.Config{}) {
		return nil, nil
	}
	return ratelimit.New[K](c)
}

// identified counts a request of a verified token. wait is 0 when it may pass;
// otherwise it is not counted at all, and what names the rate that is used up.
func (l *Limits) identified(now time.Time, t *resource.Token) (wait time.Duration, what string) {
	if l == nil {
		return 0, ""
	}
	var client ratelimit.Taken
	if l.client != nil {
		if client, wait = l.client.Take(now, identity{t.Issuer, t.ClientID}); wait > 0 {
			return wait, "the client has used up its rate"
		}
	}
	if l.partner != nil && t.Partner != "" {
		if _, wait = l.partner.Take(now, identity{t.Issuer, t.Partner}); wait > 0 {
			if l.client != nil {
				client.Return()
			}
			return wait, "the partner has used up its rate"
		}
	}
	return 0, ""
}

// addressed counts a request by where it comes from.
func (l *Limits) addressed(now time.Time, r *http.Request) time.Duration {
	if l == nil || l.address == nil {
		return 0
	}
	_, wait := l.address.Take(now, network(r.RemoteAddr))
	return wait
}

// network is the part of an address that one caller can be expected to have: who
// has an IPv6 address has 2^64 of them. What is no address is one network.
func network(remote string) netip.Prefix {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		host = remote
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Prefix{}
	}
	addr = addr.Unmap().WithZone("")
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	prefix, _ := addr.Prefix(bits) // the bits fit the family
	return prefix
}

// verify has the token checked for a route. counted says that its client's rate is
// taken: where the issuer is asked on each request that comes first, so that who is
// over a rate costs the issuer nothing and takes nobody's place there.
func (p *Proxy) verify(r *http.Request, rt *route, verifier *resource.Verifier) (token *resource.Token, counted bool, err error) {
	if rt.Introspect && p.limits != nil {
		caller, err := verifier.Identify(r)
		if err != nil {
			return nil, false, err
		}
		if counted = caller.ClientID != ""; counted {
			if refusal := p.withinRate(caller); refusal != nil {
				return nil, false, refusal
			}
		}
	}
	token, err = verifier.VerifyPolicy(r, rt.policy())
	return token, counted, err
}

// withinRate refuses a client that asks too often.
func (p *Proxy) withinRate(token *resource.Token) *resource.Refusal {
	wait, what := p.limits.identified(p.clock(), token)
	if wait == 0 {
		return nil
	}
	refusal := p.verifier.Refuse(token, decision.RateLimited, what)
	refusal.RetryAfter = wait
	return refusal
}

// setRetryAfter says when to come back, in whole seconds, rounded up: nobody is
// asked to come back too early.
func setRetryAfter(h http.Header, wait time.Duration) {
	h.Set("Retry-After", strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10))
}
