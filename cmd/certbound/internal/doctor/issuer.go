package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/certbound/certbound/cmd/certbound/internal/config"
	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/jwks"
	"github.com/certbound/certbound/resource/proxy"
	"github.com/certbound/certbound/resource/revokefeed"
)

// answer is what there is to know of a response.
type answer struct {
	status int
	date   string
	body   []byte
}

// ask makes one GET.
func ask(ctx context.Context, client *http.Client, address string) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return answer{}, err
	}
	resp, err := client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }() // read below; nothing is lost
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return answer{resp.StatusCode, resp.Header.Get("Date"), body}, err
}

func newClient(transport *http.Transport) *http.Client {
	return &http.Client{
		Transport: transport, Timeout: askTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// issuer asks for metadata and keys as a resource server does, and compares the
// clocks on the way.
func (e *examination) issuer(ctx context.Context, issuer string, roots *x509.CertPool) {
	if !jwks.IsIssuer(issuer) {
		return // the configuration has said so
	}
	t := proxy.NewTransport()
	t.TLSClientConfig.RootCAs = roots
	defer t.CloseIdleConnections()
	u, err := url.Parse(issuer)
	if err != nil {
		return
	}
	u.Path = "/.well-known/oauth-authorization-server" + strings.TrimSuffix(u.Path, "/")
	before := e.Clock()
	a, err := ask(ctx, newClient(t), u.String())
	if err != nil {
		fix := "start the authorization server; open the way to it; give the roots of its certificate (issuer_ca, or --ca)"
		e.add(Finding{Problem, "issuer", fmt.Sprintf("%s: %v", u, inner(err)), "nobody gets tokens, and no resource server gets the keys to check them", fix})
		return
	}
	e.clock(a.date, before, e.Clock())
	var metadata struct {
		Issuer string `json:"issuer"`
	}
	if a.status != http.StatusOK || json.Unmarshal(a.body, &metadata) != nil || metadata.Issuer != issuer {
		e.add(Finding{Problem, "issuer", fmt.Sprintf("%s: status %d, issuer %q", u, a.status, metadata.Issuer), "clients compare the issuer octet by octet (RFC 8414 §3.3)", "make both sides write the issuer as " + issuer})
		return
	}
	e.ok("issuer", "%s answers", issuer)
	e.keys(ctx, issuer, t)
}

// keys fetches the key set with the code of the verifier.
func (e *examination) keys(ctx context.Context, issuer string, t *http.Transport) {
	remote, err := jwks.New(jwks.Config{Issuer: issuer, HTTPClient: newClient(t), Clock: e.Clock, Logger: quiet()})
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, askTimeout)
		defer cancel()
		_, err = remote.Keys(ctx, "doctor")
	}
	if err != nil {
		e.add(Finding{Problem, "jwks", err.Error(), "no token can be verified", "look at jwks_uri in the issuer's metadata, and at what it answers"})
		return
	}
	e.ok("jwks", "the issuer's keys can be had")
}

// clock compares with the Date of an answer, which has whole seconds and was
// written somewhere between asking and hearing.
func (e *examination) clock(date string, before, after time.Time) {
	theirs, err := http.ParseTime(date)
	if err != nil {
		e.add(Finding{Warning, "clock", "the issuer's answer has no Date", "the clocks cannot be compared", ""})
		return
	}
	var off time.Duration // what no delay explains
	switch {
	case theirs.Add(time.Second).Before(before):
		off = before.Sub(theirs) - time.Second
	case theirs.After(after):
		off = theirs.Sub(after)
	}
	why := fmt.Sprintf("tokens are refused as not yet valid from %s on, and certificates and tokens end too early or too late", resource.DefaultLeeway)
	fix := "keep both machines in time with NTP"
	switch {
	case off > resource.DefaultLeeway:
		e.add(Finding{Problem, "clock", fmt.Sprintf("this clock and the issuer's are at least %s apart", off.Truncate(time.Millisecond)), why, fix})
	case off > 2*time.Second:
		e.add(Finding{Warning, "clock", fmt.Sprintf("this clock and the issuer's are at least %s apart", off.Truncate(time.Millisecond)), why, fix})
	default:
		e.ok("clock", "this clock and the issuer's agree")
	}
}

// inner leaves out the method and the address that a url.Error repeats.
func inner(err error) error {
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// feed follows the revocation feed for a moment, with the code and the certificate
// of the proxy.
func (e *examination) feed(ctx context.Context, c *config.Proxy, roots *x509.CertPool) {
	if !c.Revocations.Followed() {
		e.add(Finding{Warning, "feed", "the revocation feed is not followed", "a revoked token is accepted until it expires", "make this proxy a resource-server client of its API and set revocations"})
		return
	}
	pair, err := tls.LoadX509KeyPair(string(c.Revocations.Certificate), string(c.Revocations.Key))
	if err != nil {
		return // the configuration has said so
	}
	t := proxy.NewTransport()
	t.TLSClientConfig.RootCAs, t.TLSClientConfig.Certificates = roots, []tls.Certificate{pair}
	defer t.CloseIdleConnections()
	last := &lastWarning{}
	keys, err := jwks.New(jwks.Config{Issuer: c.Issuer, HTTPClient: newClient(t), Clock: e.Clock, Logger: quiet()})
	if err == nil {
		err = follow(ctx, revokefeed.FollowerConfig{
			Issuer: c.Issuer, ClientID: c.Revocations.ClientID, HTTPClient: &http.Client{Transport: t}, Keys: keys,
			MaxStaleness: time.Duration(c.Revocations.MaxStaleness), Clock: e.Clock, Logger: slog.New(last),
		})
	}
	if err != nil {
		e.add(Finding{
			Problem, "feed", fmt.Sprintf("as %s: %v %s", c.Revocations.ClientID, err, last.text.Load()),
			"after max_staleness the proxy answers every request with 503 revocations_stale",
			"register the client and its certificate, and name it in resource_servers of the API; the request_id finds the reason in the authorization server's log",
		})
		return
	}
	e.ok("feed", "%s may read the revocation feed", c.Revocations.ClientID)
}

// follow runs a follower until it knows the state, or for as long as asking may
// take.
func follow(ctx context.Context, c revokefeed.FollowerConfig) error {
	f, err := revokefeed.NewFollower(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout/2)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			return errors.Join(f.Ready(), err)
		case <-tick.C:
			if f.Ready() == nil {
				cancel()
				return <-done
			}
		}
	}
}
