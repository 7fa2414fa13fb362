package proxy

import (
	"slices"
	"strings"

	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/decision"
)

// admit holds a verified token to what its route asks beyond the scopes that are
// all needed. Every fact it reads is a claim whose signature is good.
func (p *Proxy) admit(rt *route, token *resource.Token) *resource.Refusal {
	switch {
	case len(rt.AnyOfScopes) > 0 && !slices.ContainsFunc(rt.AnyOfScopes, token.HasScope):
		refusal := p.verifier.Refuse(token, decision.ScopeInsufficient, "the token holds none of the scopes "+strings.Join(rt.AnyOfScopes, ", "))
		refusal.ScopesNeeded, refusal.Decision.Evidence.ScopesNeeded = rt.needed, rt.needed
		return refusal
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
