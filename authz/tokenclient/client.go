package tokenclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Config says where tokens come from and who asks. ClientID, Certificate and one
// of Issuer and TokenEndpoint are required.
type Config struct {
	// Issuer is the authorization server's identifier; its metadata names the
	// token endpoint (RFC 8414), the mutual-TLS alias first (RFC 8705 §5).
	Issuer string
	// TokenEndpoint is used as it is when given.
	TokenEndpoint string
	ClientID      string
	Certificate   tls.Certificate
	// RootCAs are the authorities the server's certificate is checked against;
	// nil means the system's.
	RootCAs *x509.CertPool
	// Timeout bounds one exchange; 0 means 10 seconds.
	Timeout time.Duration
}

// Client asks for tokens. It is safe for concurrent use.
type Client struct {
	config Config
	http   *http.Client
}

const (
	defaultTimeout = 10 * time.Second
	idleTimeout    = time.Minute
	maxAnswer      = 1 << 20 // bytes read of an answer
)

// New checks c and returns a client. Nothing is sent yet.
func New(c Config) (*Client, error) {
	switch {
	case c.ClientID == "":
		return nil, errors.New("tokenclient: Config.ClientID is missing")
	case len(c.Certificate.Certificate) == 0 || c.Certificate.PrivateKey == nil:
		return nil, errors.New("tokenclient: Config.Certificate is missing")
	case c.TokenEndpoint == "" && c.Issuer == "":
		return nil, errors.New("tokenclient: Config.Issuer or Config.TokenEndpoint is missing")
	}
	for _, address := range []string{c.Issuer, c.TokenEndpoint} {
		if u, err := url.Parse(address); address != "" && (err != nil || u.Scheme != "https" || u.Host == "") {
			return nil, fmt.Errorf("tokenclient: %q is not an https URL", address)
		}
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{
			MinVersion: tls.VersionTLS12,
			RootCAs:    c.RootCAs,
			// Not Certificates: crypto/tls would leave out one that the server's
			// CertificateRequest does not seem to want, and say nothing.
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &c.Certificate, nil },
		},
		ForceAttemptHTTP2: true,
		IdleConnTimeout:   idleTimeout,
	}
	return &Client{c, &http.Client{
		Transport: transport, Timeout: c.Timeout,
		// A redirect would carry the request to a place nobody configured.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Request says what the token is for. Both members may be empty.
type Request struct {
	Scopes   []string
	Resource string // the audience, RFC 8707
}

// Token is an answer of the token endpoint, RFC 6749 §5.1.
type Token struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int64  `json:"expires_in"` // seconds
	Scope       string `json:"scope"`
}

// Error is a refusal by the authorization server.
type Error struct {
	Status      int    `json:"-"`
	Code        string `json:"error"`
	Description string `json:"error_description"`
	Reason      string `json:"reason"`     // certbound's stable reason; empty from other servers
	RequestID   string `json:"request_id"` // what the server's operator needs to find the decision
}

// Error implements error.
func (e *Error) Error() string {
	text := fmt.Sprintf("tokenclient: the authorization server refused: %d %s", e.Status, e.Code)
	if e.Reason != "" {
		text += " (" + e.Reason + ")"
	}
	if e.Description != "" {
		text += ": " + e.Description
	}
	if e.RequestID != "" {
		text += "; request_id " + e.RequestID
	}
	return text
}

// Token asks for a token. A refusal is an *Error.
func (c *Client) Token(ctx context.Context, r Request) (*Token, error) {
	endpoint, err := c.endpoint(ctx)
	if err != nil {
		return nil, err
	}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {c.config.ClientID}}
	if len(r.Scopes) > 0 {
		form.Set("scope", strings.Join(r.Scopes, " "))
	}
	if r.Resource != "" {
		form.Set("resource", r.Resource)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, fmt.Errorf("tokenclient: %w", err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")

	var token Token
	if err := c.exchange(request, &token); err != nil {
		return nil, err
	}
	if token.AccessToken == "" || !strings.EqualFold(token.TokenType, "Bearer") {
		return nil, errors.New("tokenclient: the answer holds no bearer token")
	}
	return &token, nil
}

// endpoint is the configured token endpoint, or the one the metadata names.
func (c *Client) endpoint(ctx context.Context) (string, error) {
	if c.config.TokenEndpoint != "" {
		return c.config.TokenEndpoint, nil
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, metadataURL(c.config.Issuer), nil)
	if err != nil {
		return "", fmt.Errorf("tokenclient: %w", err)
	}
	var metadata struct {
		Issuer        string `json:"issuer"`
		TokenEndpoint string `json:"token_endpoint"`
		Aliases       struct {
			TokenEndpoint string `json:"token_endpoint"`
		} `json:"mtls_endpoint_aliases"`
	}
	if err := c.exchange(request, &metadata); err != nil {
		return "", err
	}
	if metadata.Issuer != c.config.Issuer { // RFC 8414 §3.3
		return "", fmt.Errorf("tokenclient: the metadata is of issuer %q, not %q", metadata.Issuer, c.config.Issuer)
	}
	endpoint := metadata.TokenEndpoint
	if alias := metadata.Aliases.TokenEndpoint; alias != "" {
		endpoint = alias
	}
	if u, err := url.Parse(endpoint); err != nil || u.Scheme != "https" {
		return "", fmt.Errorf("tokenclient: the metadata's token endpoint %q is not an https URL", endpoint)
	}
	return endpoint, nil
}

// metadataURL puts the well-known part between host and path, RFC 8414 §3.
func metadataURL(issuer string) string {
	u, err := url.Parse(issuer)
	if err != nil { // New has parsed it already
		return issuer
	}
	u.Path = "/.well-known/oauth-authorization-server" + strings.TrimSuffix(u.Path, "/")
	return u.String()
}

// exchange sends a request and decodes a JSON answer: 200 into out, anything
// else into an *Error.
func (c *Client) exchange(request *http.Request, out any) error {
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("tokenclient: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // read to the end below; nothing is lost
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("tokenclient: reading the answer: %w", err)
	}
	media, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if response.StatusCode != http.StatusOK {
		refusal := &Error{Status: response.StatusCode}
		if media != "application/json" || json.Unmarshal(body, refusal) != nil {
			return &Error{Status: response.StatusCode, Code: "unknown", Description: "the answer is not an OAuth error"}
		}
		return refusal
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("tokenclient: the answer is not the expected JSON: %w", err)
	}
	return nil
}
