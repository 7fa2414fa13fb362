// Package adminclient calls the admin API for the command line. It asks the admin
// listener who issues its tokens, gets one that is bound to the administrator's
// certificate, and sends both with every request. It knows paths and bodies only
// as its callers give them.
package adminclient

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/certbound/certbound/authz/tokenclient"
)

const (
	timeout   = 30 * time.Second
	maxAnswer = 16 << 20 // bytes read of an answer
)

// Config says whom to call and as whom. All is required.
type Config struct {
	Server      string // https URL of the admin listener
	ClientID    string
	Certificate tls.Certificate
	RootCAs     *x509.CertPool // of the admin listener and of the authorization server
}

// Client calls one admin API. It is for one command, not for concurrent use.
type Client struct {
	config Config
	http   *http.Client
	token  string
}

// New checks c. Nothing is sent yet.
func New(c Config) (*Client, error) {
	c.Server = strings.TrimSuffix(c.Server, "/")
	u, err := url.Parse(c.Server)
	switch {
	case err != nil || u.Scheme != "https" || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.User != nil:
		return nil, fmt.Errorf("adminclient: the server %q is not an https URL without path", c.Server)
	case c.ClientID == "":
		return nil, errors.New("adminclient: the client id is missing")
	case c.RootCAs == nil || len(c.Certificate.Certificate) == 0:
		return nil, errors.New("adminclient: the certificate or the roots are missing")
	}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{
			MinVersion: tls.VersionTLS12, RootCAs: c.RootCAs, Certificates: []tls.Certificate{c.Certificate},
		},
		ForceAttemptHTTP2: true,
	}
	return &Client{config: c, http: &http.Client{
		Transport: transport, Timeout: timeout,
		// A redirect would carry the token to a place nobody configured.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Problem is a refusal, RFC 9457.
type Problem struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Reason    string `json:"reason"`
	RequestID string `json:"request_id"`
	Errors    []struct {
		Field  string `json:"field"`
		Detail string `json:"detail"`
		Owner  string `json:"owner"`
	} `json:"errors"`
}

// Error sets out what the server said, one member a line.
func (p *Problem) Error() string {
	text := fmt.Sprintf("the admin API refused with status %d\n  %-12s %s\n  %-12s %s\n  %-12s %s",
		p.Status, "problem", p.Title, "reason", p.Reason, "request_id", p.RequestID)
	for _, e := range p.Errors {
		text += fmt.Sprintf("\n  %-12s %s", e.Field, e.Detail)
		if e.Owner != "" {
			text += " (" + e.Owner + ")"
		}
	}
	return text
}

// Get reads path, which begins with "/", into out and returns the path of the
// next page, or "".
func (c *Client) Get(ctx context.Context, path string, out any) (next string, err error) {
	answer, err := c.Do(ctx, Call{Method: http.MethodGet, Path: path})
	if err != nil {
		return "", err
	}
	return answer.Next, answer.into(out)
}

// Post sends body as JSON.
func (c *Client) Post(ctx context.Context, path string, body, out any) error {
	answer, err := c.Do(ctx, Call{Method: http.MethodPost, Path: path, Body: body})
	if err != nil {
		return err
	}
	return answer.into(out)
}

// Call is one request to the admin API.
type Call struct {
	Method, Path   string
	Body           any    // sent as JSON, of a PATCH as a merge patch; nil: none
	IfMatch        string // the ETag of the state that is to be changed
	IdempotencyKey string // of a POST: it may be sent again
}

// Answer is what the server said, when it did what was asked.
type Answer struct {
	Status int
	ETag   string
	Next   string // path of the next page, or ""
	Body   []byte // JSON; empty when there is nothing to say
}

func (a *Answer) into(out any) error {
	if err := json.Unmarshal(a.Body, out); err != nil {
		return fmt.Errorf("adminclient: the answer is not the expected JSON: %w", err)
	}
	return nil
}

// Do sends one request. A refusal is a [Problem]. When the server cannot be reached,
// a POST with an IdempotencyKey is tried once more: it cannot happen twice.
func (c *Client) Do(ctx context.Context, call Call) (*Answer, error) {
	if err := c.authorize(ctx); err != nil {
		return nil, err
	}
	answer, err := c.try(ctx, call)
	if problem := (*Problem)(nil); err != nil && call.IdempotencyKey != "" && !errors.As(err, &problem) && ctx.Err() == nil {
		return c.try(ctx, call)
	}
	return answer, err
}

func (c *Client) try(ctx context.Context, call Call) (*Answer, error) {
	text := []byte{}
	if call.Body != nil {
		var err error
		if text, err = json.Marshal(call.Body); err != nil {
			return nil, fmt.Errorf("adminclient: %w", err)
		}
	}
	request, err := http.NewRequestWithContext(ctx, call.Method, c.config.Server+call.Path, bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("adminclient: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	media := "application/json"
	if call.Method == http.MethodPatch {
		media = "application/merge-patch+json"
	}
	for name, value := range map[string]string{"If-Match": call.IfMatch, "Idempotency-Key": call.IdempotencyKey} {
		if value != "" {
			request.Header.Set(name, value)
		}
	}
	if call.Body != nil {
		request.Header.Set("Content-Type", media)
	}
	return c.exchange(request)
}

// authorize gets a token, once. It asks for all scopes the administrator has: the
// server decides what each call needs.
func (c *Client) authorize(ctx context.Context) error {
	if c.token != "" {
		return nil
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.config.Server+"/admin/v1/issuer", nil)
	if err != nil {
		return fmt.Errorf("adminclient: %w", err)
	}
	var about struct{ Issuer, Audience string }
	answer, err := c.exchange(request)
	if err != nil {
		return err
	}
	if err := answer.into(&about); err != nil {
		return err
	}
	tokens, err := tokenclient.New(tokenclient.Config{
		Issuer: about.Issuer, ClientID: c.config.ClientID, Certificate: c.config.Certificate, RootCAs: c.config.RootCAs,
	})
	if err != nil {
		return err
	}
	defer tokens.Close()
	token, err := tokens.Token(ctx, tokenclient.Request{Resource: about.Audience})
	if err != nil {
		return err
	}
	c.token = token.AccessToken
	return nil
}

func (c *Client) exchange(request *http.Request) (*Answer, error) {
	response, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("adminclient: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // read to the end below; nothing is lost
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("adminclient: reading the answer: %w", err)
	}
	switch response.StatusCode {
	case http.StatusOK, http.StatusCreated, http.StatusAccepted, http.StatusNoContent:
	default:
		problem := &Problem{}
		if json.Unmarshal(body, problem) != nil || problem.Reason == "" {
			return nil, fmt.Errorf("adminclient: status %d from what is not an admin API", response.StatusCode)
		}
		problem.Status = response.StatusCode
		return nil, problem
	}
	return &Answer{
		Status: response.StatusCode, ETag: response.Header.Get("ETag"), Next: nextPage(response.Header.Get("Link")), Body: body,
	}, nil
}

// nextPage reads the one link the admin API sends. One that leads elsewhere is
// none: the token goes to the configured server only.
func nextPage(link string) string {
	target, ok := strings.CutSuffix(link, `>; rel="next"`)
	if !ok || !strings.HasPrefix(target, "</") || strings.HasPrefix(target, "<//") {
		return ""
	}
	return target[1:]
}
