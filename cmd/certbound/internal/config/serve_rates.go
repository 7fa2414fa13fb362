package config

import (
	"time"

	"github.com/certbound/certbound/authz/rates"
	"github.com/certbound/certbound/ratelimit"
)

// ClientRates say how many requests each client may make at the authorization
// server, counted once its certificate has been believed. `requests: 0` takes a
// rate away.
type ClientRates struct {
	// Token is the rate of tokens asked for. Default 5000 in 1s.
	Token Rate `yaml:"token"`
	// Introspection is the rate of tokens asked about. A resource server asks once for
	// each request to a route that wants it, all its instances together. Default 10000
	// in 1s.
	Introspection Rate `yaml:"introspection"`
	// Revocation is the rate of tokens revoked. Each is carried by every resource
	// server until the token would have ended. Default 6000 in 1m.
	Revocation Rate `yaml:"revocation"`
	// Feed is the rate of questions for the revocation feed, all instances of a resource
	// server together. Each asks ten times a second at most, and when nothing is revoked
	// once in 25 s. Default 2000 in 1s.
	Feed Rate `yaml:"feed"`
}

// DefaultClientRates are far above what a client that keeps its token until it ends
// comes near to, and below what one client needs to keep all others waiting.
func DefaultClientRates() ClientRates {
	return ClientRates{
		Token:         Rate{Requests: 5000, Per: Duration(time.Second)},
		Introspection: Rate{Requests: 10_000, Per: Duration(time.Second)},
		Revocation:    Rate{Requests: 6000, Per: Duration(time.Minute)},
		Feed:          Rate{Requests: 2000, Per: Duration(time.Second)},
	}
}

func (r *ClientRates) validate(c *checker) {
	for _, one := range []struct {
		name string
		rate Rate
	}{{"token", r.Token}, {"introspection", r.Introspection}, {"revocation", r.Revocation}, {"feed", r.Feed}} {
		if one.rate.Requests == 0 {
			continue
		}
		c.within("rate_limits."+one.name+".per", one.rate.Per, time.Second, 24*time.Hour)
	}
}

// Rates are the rates as package authz takes them.
func (r *ClientRates) Rates() rates.Config {
	return rates.Config{
		Token: r.Token.bound(), Introspection: r.Introspection.bound(), Revocation: r.Revocation.bound(), Feed: r.Feed.bound(),
	}
}

// bound is config of a rate that no requests take away.
func (r Rate) bound() ratelimit.Config {
	if r.Requests == 0 {
		return ratelimit.Config{}
	}
	return r.config()
}
