package tokenclient

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
)

// maxDrained is how much of a refusal is read so that its connection can be used
// again.
const maxDrained = 64 << 10

// Transport sends requests to an API with the source's token, over connections
// with the certificate that the token is bound to. On 401 it gets a new token and
// tries once more, if the request's body can be sent again.
type Transport struct {
	source *Source
	base   *http.Transport
	hosts  []string

	mu      sync.Mutex
	session *session // the one that open belongs to
	open    *http.Transport
}

// Transport returns the http.RoundTripper for an API. base says how to reach it,
// above all by which roots its certificate is checked; nil means the source's
// RootCAs and the usual settings. The token is sent to hosts only, each as it
// stands in a URL, "api.example" or "api.example:8444", over https; by default to
// the host of the source's Resource. Requests to anywhere else, which a redirect
// may bring about, are errors.
func (s *Source) Transport(base *http.Transport, hosts ...string) (*Transport, error) {
	if base == nil {
		base = &http.Transport{
			TLSClientConfig:   &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: s.config.RootCAs},
			ForceAttemptHTTP2: true, IdleConnTimeout: idleTimeout, TLSHandshakeTimeout: defaultTimeout,
		}
	}
	if len(base.TLSNextProto) > 0 {
		return nil, errors.New("tokenclient: base has a TLSNextProto, which would share connections between certificates; set ForceAttemptHTTP2 or Protocols instead")
	}
	if len(hosts) == 0 {
		if u, err := url.Parse(s.config.Resource); err == nil && u.Scheme == "https" && u.Host != "" {
			hosts = []string{u.Host}
		}
	}
	if len(hosts) == 0 {
		return nil, errors.New("tokenclient: no host is named that the token may be sent to, and Resource is not an https URL")
	}
	return &Transport{source: s, base: base, hosts: slices.Clone(hosts)}, nil
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := t.check(r); err != nil {
		closeBody(r)
		return nil, err
	}
	response, session, token, err := t.try(r)
	if err != nil || response.StatusCode != http.StatusUnauthorized || !session.refused(token) {
		return response, err
	}
	again, ok := replay(r)
	if !ok {
		return response, nil
	}
	// The first answer is the caller's until there is a second one.
	if _, _, err := t.source.Token(r.Context()); err != nil {
		closeBody(again)
		return response, nil
	}
	_, _ = io.CopyN(io.Discard, response.Body, maxDrained) // for the connection's sake
	_ = response.Body.Close()
	response, _, _, err = t.try(again)
	return response, err
}

func (t *Transport) check(r *http.Request) error {
	switch {
	case r.URL == nil || r.URL.Scheme != "https":
		return errors.New("tokenclient: a token is sent over https only")
	case !slices.Contains(t.hosts, r.URL.Host):
		return fmt.Errorf("tokenclient: the token is not for host %q", r.URL.Host)
	case len(r.Header["Authorization"]) > 0:
		return errors.New("tokenclient: the request has an Authorization header already")
	}
	return nil
}

// try sends r once, with the token and over the connections of one session.
func (t *Transport) try(r *http.Request) (*http.Response, *session, *Token, error) {
	session, err := t.source.session()
	if err != nil {
		closeBody(r)
		return nil, nil, nil, err
	}
	token, err := session.token(r.Context())
	if err != nil {
		closeBody(r)
		return nil, nil, nil, err
	}
	sent := r.Clone(r.Context())
	if sent.Header == nil {
		sent.Header = http.Header{}
	}
	sent.Header.Set("Authorization", "Bearer "+token.AccessToken)
	response, err := t.connections(session).RoundTrip(sent)
	return response, session, token, err
}

// connections are those that were opened with the session's certificate.
func (t *Transport) connections(s *session) *http.Transport {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.session == s {
		return t.open
	}
	next := t.base.Clone()
	if next.TLSClientConfig == nil {
		next.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	// A resumed session would be the one that another certificate has opened.
	next.TLSClientConfig.ClientSessionCache = nil
	next.TLSClientConfig.Certificates = nil
	next.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return s.certificate, nil
	}
	if t.open != nil {
		t.open.CloseIdleConnections()
	}
	t.session, t.open = s, next
	return next
}

// CloseIdleConnections is for http.Client's method of that name.
func (t *Transport) CloseIdleConnections() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open != nil {
		t.open.CloseIdleConnections()
	}
}

// replay is r with its body from the beginning; false when it has none that can
// be had again.
func replay(r *http.Request) (*http.Request, bool) {
	again := r.Clone(r.Context())
	if r.Body == nil || r.Body == http.NoBody {
		return again, true
	}
	if r.GetBody == nil {
		return nil, false
	}
	body, err := r.GetBody()
	if err != nil {
		return nil, false
	}
	again.Body = body
	return again, true
}

// closeBody is the duty of a RoundTripper, on errors too.
func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
}
