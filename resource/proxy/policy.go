package proxy

import (
	"slices"
	"strings"

	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/decision"
)

// policy is what the route asks of a token itself.
func (rt *Route) policy() resource.Policy {
	return resource.Policy{AllOf: rt.Scopes, AnyOf: rt.AnyOfScopes, Introspect: rt.Introspect}
}

// admit holds a verified token to the lists of its route. Every fact it reads is
// a claim whose signature is good.
func (p *Proxy) admit(rt *route, token *resource.Token) *resource.Refusal {
	switch {
	case len(rt.Partners) > 0 && !slices.Contains(rt.Partners, token.Partner):
		return p.notListed(token, "partner", token.Partner, rt.Partners)
	case len(rt.Clients) > 0 && !slices.Contains(rt.Clients, token.ClientID):
		return p.notListed(token, "client", token.ClientID, rt.Clients)
	}
	return nil
}

func (p *Proxy) notListed(token *resource.Token, what, name string, allowed []string) *resource.Refusal {
	refusal := p.verifier.Refuse(token, decision.ClientNotAllowed, "the route does not list this "+what)
	refusal.Decision.Evidence.Expected, refusal.Decision.Evidence.Seen = strings.Join(allowed, " "), name
	return refusal
}

// checkPolicies reports the routes that ask for introspection which the verifier
// cannot do: they would refuse everybody.
func checkPolicies(v *resource.Verifier, routes []Route) (faults []*RouteError) {
	for i := range routes {
		if !routes[i].Introspect {
			continue
		}
		if err := v.CheckPolicy(resource.Policy{Introspect: true}); err != nil {
			faults = append(faults, &RouteError{i, "introspect", err})
		}
	}
	return faults
}
