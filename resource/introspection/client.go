package introspection

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/certbound/certbound/resource/accesstoken"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/resource/jwks"
)

// Config says whom to ask and how.
type Config struct {
	// Issuer is the authorization server, an https URL. Required.
	Issuer string

	// URL is its introspection endpoint. The default is the one that the issuer's
	// metadata names (RFC 8414), the mutual-TLS alias first (RFC 8705 §5); it is
	// looked up when it is first needed, and again every hour.
	URL string

	// ClientID is the client that the authorization server knows this resource
	// server as. Required.
	ClientID string

	// HTTPClient presents that client's certificate and knows the server's roots.
	// Required. Redirects are never followed.
	HTTPClient *http.Client

	// Timeout bounds one question with all that belongs to it; 0 means the default
	// of 3 s, more than 30 s is refused.
	Timeout time.Duration

	// Concurrent is the most questions that are under way at a time; 0 means 64.
	// One more is an error at once, so that a slow authorization server is not
	// buried and requests here do not pile up.
	Concurrent int

	// Clock is the current time; default time.Now.
	Clock func() time.Time
}

const (
	// DefaultTimeout is what Config.Timeout is when it is 0.
	DefaultTimeout    = 3 * time.Second
	maxTimeout        = 30 * time.Second
	defaultConcurrent = 64

	// maxAnswer bounds an answer. One about a token has less than a kilobyte.
	maxAnswer = 64 << 10
)

// Client asks about tokens. It is safe for use by many goroutines.
type Client struct {
	clientID string
	http     *http.Client
	timeout  time.Duration
	slots    chan struct{}
	endpoint endpoint
}

// ErrBusy means that too many questions are under way.
var ErrBusy = errors.New("introspection: too many questions are under way")

// New checks the configuration. It asks nothing yet: a resource server may start
// before its authorization server.
func New(c Config) (*Client, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	if c.Concurrent == 0 {
		c.Concurrent = defaultConcurrent
	}
	client := *c.HTTPClient
	client.Jar = nil
	// A redirect would show the token to somebody nobody configured.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	metadata, _ := jwks.MetadataURL(c.Issuer)
	return &Client{
		clientID: c.ClientID, http: &client, timeout: c.Timeout, slots: make(chan struct{}, c.Concurrent),
		endpoint: endpoint{issuer: c.Issuer, metadata: metadata, fixed: c.URL, clock: c.Clock, turn: make(chan struct{}, 1)},
	}, nil
}

func (c *Config) check() error {
	var faults []error
	refuse := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf("introspection: "+format, args...))
		}
	}
	refuse(!jwks.IsIssuer(c.Issuer), "Issuer %q is not an https URL without user, query and fragment", c.Issuer)
	refuse(c.URL != "" && !isEndpoint(c.URL), "URL %q is not an https URL without user and fragment", c.URL)
	refuse(c.ClientID == "", "ClientID is required")
	refuse(c.HTTPClient == nil, "HTTPClient is required: introspection is for clients with a certificate")
	refuse(c.Timeout < 0 || c.Timeout > maxTimeout, "Timeout %v is not between 0 and %v", c.Timeout, maxTimeout)
	refuse(c.Concurrent < 0, "Concurrent must not be negative")
	return errors.Join(faults...)
}

// isEndpoint reports whether tokens may be shown to the address.
func isEndpoint(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil && u.Fragment == ""
}

// Introspect asks the authorization server about the token; see
// resource.Introspector. The token is sent in the body, so that no log on the way
// has it (RFC 7662 §2.1).
func (c *Client) Introspect(ctx context.Context, token string) (*accesstoken.Claims, bool, error) {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	default:
		return nil, false, ErrBusy
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	address, err := c.endpoint.get(ctx, c.http)
	if err != nil {
		return nil, false, err
	}
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}, "client_id": {c.clientID}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, false, fmt.Errorf("introspection: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	body, err := exchange(c.http, req)
	if err != nil {
		return nil, false, err
	}
	return accesstoken.ParseIntrospection(body)
}

// exchange returns the body of a JSON answer with status 200 and of bounded size.
func exchange(client *http.Client, req *http.Request) ([]byte, error) {
	req.Header.Set("Accept", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("introspection: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // nothing is lost by a failing close
	if resp.StatusCode != http.StatusOK {    // a redirect too
		return nil, fmt.Errorf("introspection: %s %s", resp.Request.URL.Path, decision.Unwanted(resp))
	}
	if media, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return nil, fmt.Errorf("introspection: the answer is of type %q instead of application/json", resp.Header.Get("Content-Type"))
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("introspection: reading the answer: %w", err)
	case len(body) > maxAnswer:
		return nil, fmt.Errorf("introspection: the answer has more than %d octets", maxAnswer)
	}
	return body, nil
}
