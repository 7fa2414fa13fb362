package proxy

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/certbound/certbound/resource/decision"
)

// ParseUpstream reads the address of an upstream as people write it. Whether a
// route may use it is judged by New and CheckRoutes.
func ParseUpstream(raw string) (*url.URL, error) {
	if raw == "" {
		return nil, errors.New("proxy: missing")
	}
	u, err := url.Parse(raw)
	if err == nil {
		return u, nil
	}
	// "127.0.0.1:9000" is no URL for a reason that helps nobody.
	if !strings.HasPrefix(raw, "http://") && !strings.HasPrefix(raw, "https://") {
		return nil, noScheme(raw)
	}
	// The text is left out: it may hold a password, and cannot be redacted.
	if wrapper := (*url.Error)(nil); errors.As(err, &wrapper) {
		err = wrapper.Err
	}
	return nil, fmt.Errorf("proxy: not a URL: %w", err)
}

func noScheme(raw string) error {
	return fmt.Errorf("proxy: %q does not start with http:// or https://", raw)
}

// checkUpstream accepts an http or https address with nothing in it that a
// request could not keep to.
func checkUpstream(u *url.URL, insecure bool) error {
	switch {
	case u == nil:
		return errors.New("missing")
	case u.Scheme != "http" && u.Scheme != "https":
		return plain(noScheme(u.Redacted()))
	case u.Hostname() == "" || u.Opaque != "":
		return fmt.Errorf("%q names no host", u.Redacted())
	case u.User != nil:
		return errors.New("holds a user or password; credentials do not belong in an address")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return fmt.Errorf("%q has a query or a fragment", u.Redacted())
	case u.Scheme == "http" && !insecure && !isLoopback(u.Hostname()):
		return fmt.Errorf("%q is plaintext to another machine: use https, or allow it explicitly (insecure_plaintext_upstream)", u.Redacted())
	}
	if u.Path == "" {
		return nil
	}
	if err := CheckPath(decision.Path(u)); err != nil {
		return plain(err)
	}
	return nil
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// upstreamURL is the address of a request at its upstream. RawPath is always set,
// because net/url would otherwise choose an escaping of its own.
func (rt *route) upstreamURL(in *url.URL) *url.URL {
	return &url.URL{
		Scheme: rt.Upstream.Scheme, Host: rt.Upstream.Host,
		Path:     strings.TrimSuffix(rt.Upstream.Path, "/") + in.Path,
		RawPath:  rt.base + decision.Path(in),
		RawQuery: in.RawQuery, ForceQuery: in.ForceQuery,
	}
}

// NewTransport returns the transport a Proxy uses when it is given none. It reads
// no proxy settings from the environment: whoever sets them would receive every
// verified identity. It asks for no compression of its own, so that bodies pass
// as they are.
func NewTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:                  nil,
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    5 * time.Second,
		ResponseHeaderTimeout:  30 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true,
		MaxIdleConns:           512,
		MaxIdleConnsPerHost:    64,
		IdleConnTimeout:        90 * time.Second,
	}
}
