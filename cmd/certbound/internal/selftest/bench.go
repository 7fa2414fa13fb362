package selftest

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// bench is what the probes have: connections, and one good token.
type bench struct {
	Config
	meta     metadata
	token    string
	requests int
	clients  map[*tls.Certificate]*http.Client // one for each identity; nil is nobody
	forged   *forgery
}

// metadata is what the probes need of RFC 8414.
type metadata struct {
	Issuer        string   `json:"issuer"`
	Token         string   `json:"token_endpoint"`
	JWKS          string   `json:"jwks_uri"`
	Introspection string   `json:"introspection_endpoint"`
	Revocation    string   `json:"revocation_endpoint"`
	Bound         bool     `json:"tls_client_certificate_bound_access_tokens"`
	Methods       []string `json:"token_endpoint_auth_methods_supported"`
	Aliases       struct {
		Token         string `json:"token_endpoint"`
		Introspection string `json:"introspection_endpoint"`
		Revocation    string `json:"revocation_endpoint"`
	} `json:"mtls_endpoint_aliases"`
}

// answer is what came back of a request; Err when nothing did.
type answer struct {
	Status int
	Header http.Header
	Body   []byte
	TLS    *tls.ConnectionState
	Err    error
}

// call is one request.
type call struct {
	method, url string
	header      http.Header
	body        string
	as          *tls.Certificate
}

// tlsConfig presents the certificate whatever authorities the server names.
func (b *bench) tlsConfig(as *tls.Certificate) *tls.Config {
	config := &tls.Config{RootCAs: b.RootCAs, MinVersion: tls.VersionTLS12}
	if as != nil {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return as, nil }
	}
	return config
}

func (b *bench) client(as *tls.Certificate) *http.Client {
	if c, ok := b.clients[as]; ok {
		return c
	}
	c := &http.Client{
		Transport:     &http.Transport{TLSClientConfig: b.tlsConfig(as), DisableCompression: true, TLSHandshakeTimeout: requestTimeout},
		Timeout:       requestTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	b.clients[as] = c
	return c
}

func (b *bench) close() {
	for _, c := range b.clients {
		c.CloseIdleConnections()
	}
}

// count keeps the run within its bound.
func (b *bench) count() error {
	if b.requests++; b.requests > maxRequests {
		return fmt.Errorf("selftest: more than %d requests", maxRequests)
	}
	return nil
}

// send makes a request, and once more when it is told to come back soon.
func (b *bench) send(ctx context.Context, c call) answer {
	a := b.sendOnce(ctx, c)
	const patience = 5
	seconds, err := strconv.Atoi(a.Header.Get("Retry-After"))
	if a.Status != http.StatusTooManyRequests || err != nil || seconds > patience {
		return a
	}
	timer := time.NewTimer(time.Duration(seconds) * time.Second)
	defer timer.Stop()
	select {
	case <-timer.C:
		return b.sendOnce(ctx, c)
	case <-ctx.Done():
		return a
	}
}

func (b *bench) sendOnce(ctx context.Context, c call) answer {
	if err := b.count(); err != nil {
		return answer{Err: err}
	}
	r, err := http.NewRequestWithContext(ctx, c.method, c.url, strings.NewReader(c.body))
	if err != nil {
		return answer{Err: err}
	}
	if c.body == "" {
		r.Body, r.ContentLength = http.NoBody, 0
	}
	for name, values := range c.header {
		r.Header[name] = values // as it is spelled
	}
	resp, err := b.client(c.as).Do(r)
	if err != nil {
		return answer{Err: err}
	}
	defer func() { _ = resp.Body.Close() }() // read below; nothing is lost
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return answer{resp.StatusCode, resp.Header, body, resp.TLS, err}
}

// form is a token request of the client.
func (b *bench) form(more ...string) url.Values {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {b.ClientID}}
	if b.Resource != "" {
		form.Set("resource", b.Resource)
	}
	for i := 0; i+1 < len(more); i += 2 {
		form.Add(more[i], more[i+1])
	}
	return form
}

// post is a form for an endpoint.
func post(endpoint string, form url.Values, as *tls.Certificate) call {
	return call{
		method: http.MethodPost, url: endpoint, body: form.Encode(), as: as,
		header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
	}
}

// get is the good API call, with the token given.
func (b *bench) get(token string, as *tls.Certificate) call {
	return call{method: http.MethodGet, url: b.Proxy + b.Path, as: as, header: http.Header{"Authorization": {"Bearer " + token}}}
}

// say shortens an answer to status and reason.
func (a answer) say() string {
	if a.Err != nil {
		text := a.Err.Error()
		if inner := (*url.Error)(nil); errors.As(a.Err, &inner) {
			text = inner.Err.Error() // the URL may hold a token
		}
		return text
	}
	var members struct {
		Error  string `json:"error"`
		Reason string `json:"reason"`
	}
	text := strconv.Itoa(a.Status)
	if json.Unmarshal(a.Body, &members) != nil {
		return text
	}
	if members.Reason != "" {
		return text + " " + members.Reason
	}
	return strings.TrimSpace(text + " " + members.Error)
}

// refused judges an answer to what must be refused.
func (a answer) refused() Outcome {
	switch {
	case a.Err != nil && local(a.Err):
		return Unclear
	case a.Err != nil:
		return OK // the server ended the connection
	case a.Status == http.StatusTooManyRequests || a.Status >= 500:
		return Unclear
	case a.Status >= 400:
		return OK
	}
	return Hole
}

// local reports whether the failure is not the server's refusal: it could not be
// reached, did not answer in time, or is not who it should be.
func local(err error) bool {
	var op *net.OpError
	var certificate *tls.CertificateVerificationError
	var timeout net.Error
	return errors.As(err, &op) && op.Op == "dial" || errors.As(err, &certificate) ||
		errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, context.Canceled)
}
