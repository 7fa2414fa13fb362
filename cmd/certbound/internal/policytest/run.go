package policytest

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/certbound/certbound/cmd/certbound/internal/config"
	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/resource/proxy"
)

// Result is what became of a case.
type Result struct {
	Case     string `json:"case"`
	At       string `json:"at"` // file:line:column
	Passed   bool   `json:"passed"`
	Expected string `json:"expected"`
	Seen     string `json:"seen"`
	Detail   string `json:"detail,omitempty"` // the proxy's own words about a refusal
}

// outcome is what the proxy did with a request.
type outcome struct {
	decision decision.Decision
	upstream string // the route's; "" when none was asked
}

// runner is a proxy between stand-ins.
type runner struct {
	world *world
	proxy http.Handler
	seen  outcome
}

// Run tries the cases in their order, each by itself: rates are not held, and
// nothing is revoked.
func Run(p *config.Policy, c *config.Proxy) ([]Result, error) {
	r, err := newRunner(c)
	if err != nil {
		return nil, err
	}
	results := make([]Result, len(p.Cases))
	for i := range p.Cases {
		k := &p.Cases[i]
		seen, err := r.try(k)
		if err != nil {
			return nil, p.Source.Problem(fmt.Sprintf("cases[%d]", i), err)
		}
		results[i] = judge(k, seen)
		results[i].At = p.Source.Locate(fmt.Sprintf("cases[%d].name", i)).String()
	}
	return results, nil
}

func newRunner(c *config.Proxy) (*runner, error) {
	w, err := newWorld(c, time.Now().Truncate(time.Second))
	if err != nil {
		return nil, err
	}
	r := &runner{world: w}
	quiet := slog.New(slog.DiscardHandler)
	clock := func() time.Time { return w.now }
	verifier, err := resource.New(resource.Config{
		Issuer: c.Issuer, Audience: c.Audience, Realm: c.Realm, Keys: w, Introspection: w, Clock: clock, Logger: quiet,
	})
	if err != nil {
		return nil, err
	}
	routes := c.ProxyRoutes()
	for i := range routes {
		routes[i].Transport = &upstream{r, c.Routes[i].Upstream}
	}
	r.proxy, err = proxy.New(proxy.Config{
		Verifier: verifier, Routes: routes, Metadata: c.Metadata(), MaxBodyBytes: int64(c.MaxBodyBytes),
		Logger: quiet, Clock: clock, Observe: func(d *decision.Decision) { r.seen.decision = *d },
	})
	return r, err
}

// upstream stands in for the API of a route.
type upstream struct {
	runner *runner
	name   string
}

// RoundTrip answers 200 without a body.
func (u *upstream) RoundTrip(req *http.Request) (*http.Response, error) {
	u.runner.seen.upstream = u.name
	return &http.Response{StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req, Header: http.Header{}, Body: http.NoBody}, nil
}

// try sends the request of a case through the proxy.
func (r *runner) try(k *config.PolicyCase) (outcome, error) {
	req, err := r.request(k)
	if err != nil {
		return outcome{}, err
	}
	r.seen = outcome{}
	answer := &answer{header: http.Header{}}
	r.proxy.ServeHTTP(answer, req)
	if d := &r.seen.decision; d.RequestID == "" { // the metadata: no decision, and everybody's
		d.Allowed, d.Evidence.Route = answer.status == http.StatusOK, req.URL.Path
	}
	return r.seen, nil
}

// request is read as a server reads it, so that a path means here what it means
// there.
func (r *runner) request(k *config.PolicyCase) (*http.Request, error) {
	method, host := k.Method, k.Host
	if method == "" {
		method = http.MethodGet
	}
	if host == "" {
		host = "localhost"
	}
	if strings.ContainsAny(method+k.Path+host, " \r\n\t") {
		return nil, fmt.Errorf("method, host and path hold no blanks")
	}
	req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(method + " " + k.Path + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n")))
	if err != nil {
		return nil, err
	}
	req.RemoteAddr = "127.0.0.1:1"
	req.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, HandshakeComplete: true}
	switch k.Certificate {
	case "", "own":
		req.TLS.PeerCertificates = []*x509.Certificate{r.world.own}
	case "other":
		req.TLS.PeerCertificates = []*x509.Certificate{r.world.other}
	}
	if !k.WithoutToken {
		token, err := r.world.token(&k.Token)
		if err != nil {
			return nil, err
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return req, nil
}

// answer keeps the status of an answer.
type answer struct {
	header http.Header
	status int
}

// Header is the answer's.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader keeps the first final status.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= http.StatusOK {
		a.status = status
	}
}

// Write drops the body.
func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return io.Discard.Write(p)
}
