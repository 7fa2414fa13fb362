package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// Defaults and bounds of Config.
const (
	DefaultTimeout  = 10 * time.Second
	MaxTimeout      = time.Minute
	DefaultMaxBytes = 256 << 10
)

// maxHeader bounds the header of an answer, in bytes.
const maxHeader = 16 << 10

// ErrNoRoots is an https address while no roots are configured. The system's are
// not a fall-back.
var ErrNoRoots = errors.New("fetch: no roots are configured, so no server can be believed")

// Config says whom to believe, where to go and how long to wait.
type Config struct {
	// Roots are the CAs of the servers. Nil: https is refused with ErrNoRoots.
	Roots *x509.CertPool
	// Allow are networks that may be called although they are not of the public
	// internet, such as one's own. The ports stay limited.
	Allow []netip.Prefix
	// Timeout of one whole exchange: name, connection, header and body. 0 means
	// DefaultTimeout; at most MaxTimeout.
	Timeout time.Duration
	// Resolver of names; nil means the system's.
	Resolver *net.Resolver
}

// Client fetches. It is safe for concurrent use.
type Client struct {
	config Config
	http   *http.Client
}

// New checks c and returns a Client.
func New(c Config) (*Client, error) {
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	if c.Timeout < 0 || c.Timeout > MaxTimeout {
		return nil, fmt.Errorf("fetch: Timeout %s is not within %s", c.Timeout, MaxTimeout)
	}
	for i, p := range c.Allow {
		if !p.IsValid() || p.Masked() != p || p.Addr().Is4In6() {
			return nil, fmt.Errorf("fetch: Allow[%d]: %s is not a network", i, p)
		}
	}
	client := &Client{config: c}
	client.http = &http.Client{
		Transport: client.transport(),
		// A redirect would be an address nobody registered. The 3xx comes back as an
		// answer, and as such is refused.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return client, nil
}

// transport is made by hand: http.DefaultTransport reads the proxy from the
// environment. No connection is kept, since the next fetch is minutes away and
// its address is to be judged again. HTTP/1.1 only: one answer on one connection.
func (c *Client) transport() *http.Transport {
	dialer := &net.Dialer{Resolver: c.config.Resolver, ControlContext: c.control, KeepAlive: -1}
	return &http.Transport{
		Proxy:                  nil,
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: c.config.Roots, MinVersion: tls.VersionTLS12},
		DisableKeepAlives:      true,
		DisableCompression:     true, // a small body cannot become a large one
		MaxResponseHeaderBytes: maxHeader,
	}
}

// control runs between resolving and connecting, for every address a name leads
// to: what a second answer of the DNS says is judged like the first.
func (c *Client) control(_ context.Context, network, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || network != "tcp4" && network != "tcp6" {
		return fmt.Errorf("fetch: not a TCP address: %s %q", network, address)
	}
	return c.judge(to)
}
