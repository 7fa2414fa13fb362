package selftest

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// probe is one attack. All of a run share the connections and the token.
type probe struct {
	name, title, danger string
	run                 func(context.Context, *bench) (Outcome, string)
}

// Run makes the good calls first: when they fail, nothing that follows would mean
// anything, and the error says what went wrong. Then it makes every probe.
func Run(ctx context.Context, c Config) (*Report, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	b := &bench{Config: c, clients: map[*tls.Certificate]*http.Client{}}
	defer b.close()
	var err error
	if b.forged, err = forge(c.Certificate, c.Clock()); err != nil {
		return nil, err
	}
	report := &Report{}
	for _, control := range []struct {
		name, title string
		run         func(context.Context) error
	}{
		{"control.metadata", "the issuer's metadata", b.discover},
		{"control.token", "the client gets a token", b.obtain},
		{"control.api", "the client calls the API with it", b.callAPI},
	} {
		if err := control.run(ctx); err != nil {
			return nil, fmt.Errorf("selftest: %s: %w", control.title, err)
		}
		report.add(Result{Probe: control.name, Title: control.title, Outcome: OK, Seen: "as it should be"})
	}
	for _, p := range b.probes(ctx) {
		outcome, seen := p.run(ctx, b)
		result := Result{Probe: p.name, Title: p.title, Outcome: outcome, Seen: seen}
		if outcome == Hole {
			result.Danger = p.danger
		}
		report.add(result)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("selftest: not done after %s: %w", runTimeout, ctx.Err())
		}
	}
	// The last word: a deployment that has begun to refuse everybody would have
	// passed every probe.
	if err := b.callAPI(ctx); err != nil {
		return nil, fmt.Errorf("selftest: the good call, repeated at the end: %w", err)
	}
	report.Requests = b.requests
	return report, nil
}

func (b *bench) probes(ctx context.Context) []probe {
	all := b.discoveryProbes()
	all = append(all, b.tokenProbes()...)
	all = append(all, b.proxyProbes()...)
	all = append(all, b.forgedTokenProbes(ctx)...)
	all = append(all, b.pathProbes()...)
	all = append(all, b.headerProbe())
	return append(all, b.tlsProbes()...)
}

// discover reads the metadata of RFC 8414, with the mutual-TLS aliases of RFC 8705
// §5 in place of the endpoints they stand for.
func (b *bench) discover(ctx context.Context) error {
	u, err := url.Parse(b.Issuer)
	if err != nil {
		return err
	}
	u.Path = "/.well-known/oauth-authorization-server" + strings.TrimSuffix(u.Path, "/")
	a := b.send(ctx, call{method: http.MethodGet, url: u.String()})
	if a.Err != nil || a.Status != http.StatusOK {
		return fmt.Errorf("%s: %s", u, a.say())
	}
	if err := json.Unmarshal(a.Body, &b.meta); err != nil {
		return fmt.Errorf("%s: %w", u, err)
	}
	for _, one := range []struct {
		endpoint *string
		alias    string
	}{{&b.meta.Token, b.meta.Aliases.Token}, {&b.meta.Introspection, b.meta.Aliases.Introspection}, {&b.meta.Revocation, b.meta.Aliases.Revocation}} {
		if one.alias != "" {
			*one.endpoint = one.alias
		}
	}
	if b.meta.Token == "" {
		return fmt.Errorf("%s names no token_endpoint", u)
	}
	return nil
}

func (b *bench) obtain(ctx context.Context) error {
	a := b.send(ctx, post(b.meta.Token, b.form(), &b.Certificate))
	b.token = a.accessToken()
	if b.token == "" {
		return fmt.Errorf("%s: %s", b.meta.Token, a.say())
	}
	return nil
}

func (b *bench) callAPI(ctx context.Context) error {
	a := b.send(ctx, b.get(b.token, &b.Certificate))
	if a.Err != nil || a.Status < 200 || a.Status > 299 {
		return fmt.Errorf("GET %s%s: %s; choose a path that this client may read (--path)", b.Proxy, b.Path, a.say())
	}
	return nil
}

// accessToken is what an answer of the token endpoint grants, or "".
func (a answer) accessToken() string {
	var members struct {
		Token string `json:"access_token"`
	}
	if a.Err != nil || json.Unmarshal(a.Body, &members) != nil {
		return ""
	}
	return members.Token
}
