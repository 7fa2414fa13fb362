package config

import (
	"fmt"
	"slices"
	"strings"
)

// Lowered says in which ways next protects less than p does: an operator who takes a
// protection away knows it, one whose editor wrote half a file does not. What is
// merely another route or another upstream is not among them.
func (p *Proxy) Lowered(next *Proxy) (ways []string) {
	lower := func(is bool, format string, args ...any) {
		if is {
			ways = append(ways, fmt.Sprintf(format, args...))
		}
	}
	lower(p.Revocations.Followed() && !next.Revocations.Followed(), "revocations: no longer followed")
	lower(next.Revocations.Followed() && p.Revocations.Followed() && next.Revocations.MaxStaleness > p.Revocations.MaxStaleness,
		"revocations.max_staleness: longer")
	lower(next.Leeway > p.Leeway, "leeway: longer")
	for _, one := range []struct {
		name string
		was  Rate
		is   Rate
	}{
		{"client", p.RateLimits.Client, next.RateLimits.Client},
		{"partner", p.RateLimits.Partner, next.RateLimits.Partner},
		{"address", p.RateLimits.Address, next.RateLimits.Address},
	} {
		lower(one.was.Requests > 0 && one.is.Requests == 0, "rate_limits.%s: taken away", one.name)
	}
	for i := range next.Routes {
		is := &next.Routes[i]
		at := slices.IndexFunc(p.Routes, is.sameRequests)
		if at < 0 {
			continue
		}
		was := &p.Routes[at]
		where := strings.Join(is.Methods, ",") + " " + is.Path
		lower(is.Unbound && !was.Unbound, "%s: unbound tokens are accepted", where)
		lower(is.AnyScope && !was.AnyScope, "%s: no scope is asked for", where)
		was.Scopes.lowered(is, func(is bool, what, scope string) { lower(is, "%s: "+what, where, scope) })
		lower(was.Introspect && !is.Introspect, "%s: no introspection", where)
		lower(is.ForwardToken && !was.ForwardToken, "%s: the token is forwarded", where)
		lower(len(was.Partners) > 0 && len(is.Partners) == 0, "%s: open to all partners", where)
		lower(len(was.Clients) > 0 && len(is.Clients) == 0, "%s: open to all clients", where)
		lower(is.InsecurePlaintextUpstream && !was.InsecurePlaintextUpstream, "%s: the upstream is reached in plain text", where)
	}
	return ways
}

// lowered tells of each scope that a route asks for no more, or that has come to be
// enough; of all of them AnyScope tells.
func (s *Scopes) lowered(next *Route, lower func(is bool, what, scope string)) {
	if next.AnyScope {
		return
	}
	for _, scope := range s.AllOf {
		lower(!slices.Contains(next.Scopes.AllOf, scope), "scope %s is not asked for", scope)
	}
	if len(next.Scopes.AnyOf) == 0 {
		lower(len(s.AnyOf) > 0, "none of %s is asked for", strings.Join(s.AnyOf, " "))
		return
	}
	for _, scope := range next.Scopes.AnyOf {
		lower(len(s.AnyOf) > 0 && !slices.Contains(s.AnyOf, scope), "scope %s is enough too", scope)
	}
}

// sameRequests reports whether another route serves one that r serves.
func (r *Route) sameRequests(other Route) bool {
	return r.Path == other.Path && slices.Equal(r.Hosts, other.Hosts) &&
		slices.ContainsFunc(r.Methods, func(m string) bool { return slices.Contains(other.Methods, m) })
}

// Lowered is [Proxy.Lowered] of an authorization server.
func (s *Serve) Lowered(next *Serve) (ways []string) {
	for _, one := range []struct {
		name string
		was  Rate
		is   Rate
	}{
		{"token", s.RateLimits.Token, next.RateLimits.Token},
		{"introspection", s.RateLimits.Introspection, next.RateLimits.Introspection},
		{"revocation", s.RateLimits.Revocation, next.RateLimits.Revocation},
		{"feed", s.RateLimits.Feed, next.RateLimits.Feed},
	} {
		if one.was.Requests > 0 && one.is.Requests == 0 {
			ways = append(ways, "rate_limits."+one.name+": taken away")
		}
	}
	if next.Fetch.SystemRoots && !s.Fetch.SystemRoots {
		ways = append(ways, "fetch.system_roots: the operating system's roots are believed")
	}
	for _, network := range next.Fetch.AllowPrivate {
		if !slices.Contains(s.Fetch.AllowPrivate, network) {
			ways = append(ways, "fetch.allow_private: "+network.String()+" may be called")
		}
	}
	return ways
}
