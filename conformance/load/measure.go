package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"text/tabwriter"
	"time"
)

// scenario compares one thing certbound does with a baseline that does the least
// of it.
type scenario struct {
	name     string
	what     string
	bound    float64 // the ratio we hold ourselves to; 0 is none
	ours     func(*rig) *server
	baseline func(*rig) *server
	token    bool // asks for tokens; otherwise calls the API
	newConn  bool // a new TLS connection for each request
	newToken bool // a token never seen before with each request
}

var scenarios = []scenario{
	{name: "token", what: "token endpoint, kept-alive / a server that only signs", bound: 1.5, ours: (*rig).ourAuthz, baseline: (*rig).aSigner, token: true},
	{name: "token-connect", what: "token endpoint, a TLS connection each / the same signer", bound: 1.15, ours: (*rig).ourAuthz, baseline: (*rig).aSigner, token: true, newConn: true},
	{name: "proxy-seen", what: "proxy, a token seen before / a bare ReverseProxy", bound: 1.2, ours: (*rig).ourProxy, baseline: (*rig).aReverse},
	{name: "proxy-new", what: "proxy, a new token each / a proxy that verifies signature and thumbprint", bound: 1.1, ours: (*rig).ourProxy, baseline: (*rig).aVerifier, newToken: true},
	{name: "proxy-connect", what: "proxy, a TLS connection each / a bare ReverseProxy", bound: 1.15, ours: (*rig).ourProxy, baseline: (*rig).aReverse, newConn: true},
}

func (r *rig) ourAuthz() *server  { return r.authz }
func (r *rig) ourProxy() *server  { return r.proxy }
func (r *rig) aSigner() *server   { return r.signer }
func (r *rig) aReverse() *server  { return r.reverse }
func (r *rig) aVerifier() *server { return r.verifier }

// table measures the scenarios and prints a line for each.
func (r *rig) table(ctx context.Context) error {
	fmt.Printf("%d rounds of %d requests on %d connections (a quarter of them where each has its own), audit %s; CPU of the server per request\n\n",
		r.rounds, r.requests, r.connections, r.durability)
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "scenario\tratio\tquartiles\tbound\tbaseline to itself\tquartiles\tours\tbaseline\twhat")
	for _, s := range scenarios {
		if r.only != "" && r.only != s.name {
			continue
		}
		m, err := r.measure(ctx, s)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		fmt.Fprintf(out, "%s\t%.2f\t%.2f–%.2f\t%.2f\t%.2f\t%.2f–%.2f\t%d µs\t%d µs\t%s\n", s.name,
			quantile(m.ratio, 0.5), quantile(m.ratio, 0.25), quantile(m.ratio, 0.75), s.bound,
			quantile(m.noise, 0.5), quantile(m.noise, 0.25), quantile(m.noise, 0.75),
			int(quantile(m.ours, 0.5)), int(quantile(m.base, 0.5)), s.what)
		if err := out.Flush(); err != nil {
			return err
		}
		if r.profile {
			if err := r.showProfile(ctx, s); err != nil {
				return err
			}
		}
	}
	return out.Flush()
}

// measurement holds a value per round; µs are of CPU.
type measurement struct{ ratio, noise, ours, base []float64 }

// measure runs the rounds. The order changes from round to round, so that none
// of the three always follows the same other.
func (r *rig) measure(ctx context.Context, s scenario) (m measurement, err error) {
	for round := -1; round < r.rounds; round++ { // the first one warms up
		turns := []*server{s.baseline(r), s.ours(r), s.baseline(r)}
		var cost [3]float64
		for k := range turns {
			turn := (k + round + 1) % len(turns)
			if cost[turn], err = r.turn(ctx, s, turns[turn]); err != nil {
				return m, err
			}
		}
		if round < 0 {
			continue
		}
		base := (cost[0] + cost[2]) / 2
		m.ours, m.base = append(m.ours, cost[1]), append(m.base, base)
		m.ratio, m.noise = append(m.ratio, cost[1]/base), append(m.noise, cost[2]/cost[0])
	}
	return m, nil
}

// turn sends one server its share and returns its CPU per request in µs.
func (r *rig) turn(ctx context.Context, s scenario, to *server) (float64, error) {
	n := r.requests
	if s.newConn {
		n = max(1, n/4)
	}
	make, err := r.requestsOf(ctx, s, to, n)
	if err != nil {
		return 0, err
	}
	clients := r.client.clients(r.connections, s.newConn)
	defer closeAll(clients)
	if !s.newConn { // open the connections before the clock of CPU starts
		open := callRequest(to.address, "none")
		for _, client := range clients {
			if err := touch(ctx, client, open); err != nil {
				return 0, err
			}
		}
	}
	before, err := to.cpu()
	if err != nil {
		return 0, err
	}
	err = each(ctx, clients, n, func(ctx context.Context, client *http.Client, _ int) error {
		_, err := send(ctx, client, make)
		return err
	})
	if err != nil {
		return 0, err
	}
	after, err := to.cpu()
	return float64(after-before) / float64(time.Microsecond) / float64(n), err
}

// requestsOf says what to send. Tokens come from the authorization server, which
// is not the one that is measured then.
func (r *rig) requestsOf(ctx context.Context, s scenario, to *server, n int) (request, error) {
	if s.token {
		return tokenRequest(to.address), nil
	}
	distinct := 1
	if s.newToken {
		distinct = n
	}
	tokens, err := r.client.tokens(ctx, r.authz.address, distinct, min(distinct, r.connections))
	if err != nil {
		return nil, err
	}
	if !s.newToken { // seen before
		if err := r.client.call(ctx, to.address, tokens[0]); err != nil {
			return nil, err
		}
	}
	return callRequest(to.address, tokens...), nil
}

// touch opens the client's connection; what is answered does not matter.
func touch(ctx context.Context, client *http.Client, make request) error {
	r, err := make(ctx)
	if err != nil {
		return err
	}
	response, err := client.Do(r)
	if err != nil {
		return err
	}
	return drain(response)
}

// quantile of the values, which it sorts.
func quantile(values []float64, q float64) float64 {
	slices.Sort(values)
	return values[int(q*float64(len(values)-1)+0.5)]
}
