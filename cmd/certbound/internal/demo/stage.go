package demo

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/certbound/certbound/authz/tokenclient"
	"github.com/certbound/certbound/cmd/certbound/internal/config"
	"github.com/certbound/certbound/cmd/certbound/internal/dev"
	"github.com/certbound/certbound/keys/thumbprint"
)

// The clients that appear.
const (
	acmeBilling = "acme-billing"
	malloryApp  = "mallory-app"
)

// actor makes requests with one certificate, or none.
type actor struct {
	certificate tls.Certificate
	thumbprint  thumbprint.Thumbprint
	http        *http.Client
}

// stage is where the story happens.
type stage struct {
	info                  *dev.Info
	roots                 *x509.CertPool
	acme, mallory, nobody *actor
	token                 string // the token of step 1
}

func newStage(info *dev.Info) (*stage, error) {
	roots, err := config.ReadRoots(config.Path(info.Path(info.CA)))
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	s := &stage{info: info, roots: roots, nobody: newActor(roots)}
	for id, into := range map[string]**actor{acmeBilling: &s.acme, malloryApp: &s.mallory} {
		client, err := info.Client(id)
		if err != nil {
			return nil, err
		}
		pair, err := tls.LoadX509KeyPair(info.Path(client.Cert), info.Path(client.Key))
		if err != nil {
			return nil, fmt.Errorf("demo: certificate of %s: %w", id, err)
		}
		*into = newActor(roots, pair)
		(*into).certificate, (*into).thumbprint = pair, thumbprint.Of(pair.Leaf)
	}
	return s, nil
}

func newActor(roots *x509.CertPool, certificates ...tls.Certificate) *actor {
	return &actor{http: &http.Client{
		Timeout: 10 * time.Second,
		Transport: &http.Transport{
			TLSClientConfig:   &tls.Config{RootCAs: roots, Certificates: certificates, MinVersion: tls.VersionTLS13},
			ForceAttemptHTTP2: true,
		},
	}}
}

func (s *stage) close() {
	for _, a := range []*actor{s.acme, s.mallory, s.nobody} {
		a.http.CloseIdleConnections()
	}
}

// call sends the token through the proxy in somebody's hands, and looks at the
// API's counter before and after.
func (s *stage) call(method string, who *actor) func(context.Context) (outcome, error) {
	return func(ctx context.Context) (outcome, error) {
		if s.token == "" {
			return outcome{}, errors.New("there is no token to try it with")
		}
		before, err := s.hits(ctx)
		if err != nil {
			return outcome{}, err
		}
		request, err := http.NewRequestWithContext(ctx, method, s.info.Proxy+"/accounts", nil)
		if err != nil {
			return outcome{}, err
		}
		request.Header.Set("Authorization", "Bearer "+s.token)
		var refusal struct{ Reason string }
		status, err := exchange(who.http, request, &refusal)
		if err != nil {
			return outcome{}, err
		}
		after, err := s.hits(ctx)
		return outcome{status, refusal.Reason, after - before}, err
	}
}

// hits asks the demo API itself, past the proxy, how many requests it got.
func (s *stage) hits(ctx context.Context) (int64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.info.Upstream.Hits, nil)
	if err != nil {
		return 0, err
	}
	var answer struct{ Hits int64 }
	_, err = exchange(s.nobody.http, request, &answer)
	return answer.Hits, err
}

// exchange sends a request and decodes the JSON answer, whatever its status.
func exchange(client *http.Client, request *http.Request, into any) (status int, err error) {
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return 0, err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return 0, fmt.Errorf("%s %s answered %d without JSON", request.Method, request.URL, response.StatusCode)
	}
	return response.StatusCode, nil
}

func asRefusal(err error) (*tokenclient.Error, bool) {
	var refusal *tokenclient.Error
	return refusal, errors.As(err, &refusal)
}

// boundTo reads cnf x5t#S256 (RFC 8705 §3.1) of a token we were just given. The
// signature is the verifier's business; here it only has to be there to see.
func boundTo(token string) (thumbprint.Thumbprint, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return thumbprint.Thumbprint{}, errors.New("the token is not a signed JWT")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return thumbprint.Thumbprint{}, fmt.Errorf("the token's payload: %w", err)
	}
	var claims struct {
		Confirmation struct {
			Thumbprint string `json:"x5t#S256"`
		} `json:"cnf"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		return thumbprint.Thumbprint{}, fmt.Errorf("the token's claims: %w", err)
	}
	return thumbprint.Parse(claims.Confirmation.Thumbprint)
}
