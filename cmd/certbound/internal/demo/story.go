package demo

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/certbound/certbound/authz/tokenclient"
	"github.com/certbound/certbound/cmd/certbound/internal/cli"
	"github.com/certbound/certbound/cmd/certbound/internal/dev"
)

// Run tells the story against the dev that info describes, on w. It reports
// whether every step came out as it should; an error means that the story could
// not be told.
func Run(ctx context.Context, w io.Writer, info *dev.Info) (bool, error) {
	s, err := newStage(info)
	if err != nil {
		return false, err
	}
	defer s.close()
	if _, err := s.hits(ctx); err != nil {
		return false, cli.Exit(cli.Refused, fmt.Errorf("demo: that dev does not answer; is it still running? %w", err))
	}
	steps := s.story()
	good, err := tell(ctx, w, steps)
	return err == nil && good == len(steps), err
}

// story is the six steps of design §4.
func (s *stage) story() []step {
	return []step{
		{
			"acme-billing gets a token bound to its certificate",
			outcome{status: http.StatusOK}, s.issue,
		},
		{
			"acme-billing calls the API with it",
			outcome{status: http.StatusOK, reached: 1}, s.call(http.MethodGet, s.acme),
		},
		{
			"mallory-app replays it with its own valid certificate",
			outcome{status: http.StatusUnauthorized, reason: "thumbprint_mismatch"}, s.call(http.MethodGet, s.mallory),
		},
		{
			"somebody replays it without a certificate",
			outcome{status: http.StatusUnauthorized, reason: "certificate_missing"}, s.call(http.MethodGet, s.nobody),
		},
		{
			"acme-billing calls for what its scope does not cover",
			outcome{status: http.StatusForbidden, reason: "scope_insufficient"}, s.call(http.MethodPost, s.acme),
		},
		{
			"its certificate is revoked; the open connection is refused",
			outcome{status: http.StatusUnauthorized, reason: "certificate_revoked"}, s.revoke,
		},
	}
}

// issue gets the token all other steps use, and looks into it: a token that
// does not name acme-billing's certificate would make a story of no worth.
func (s *stage) issue(ctx context.Context) (outcome, error) {
	client, err := tokenclient.New(tokenclient.Config{
		TokenEndpoint: s.info.TokenEndpoint, ClientID: acmeBilling, Certificate: s.acme.certificate, RootCAs: s.roots,
	})
	if err != nil {
		return outcome{}, err
	}
	defer client.Close()
	token, err := client.Token(ctx, tokenclient.Request{Scopes: []string{"accounts:read"}})
	if refusal, ok := asRefusal(err); ok {
		return outcome{status: refusal.Status, reason: refusal.Reason}, nil
	}
	if err != nil {
		return outcome{}, err
	}
	bound, err := boundTo(token.AccessToken)
	if err != nil {
		return outcome{}, err
	}
	if !bound.Equal(s.acme.thumbprint) {
		return outcome{}, fmt.Errorf("the token is bound to %s, not to acme-billing's certificate %s", bound, s.acme.thumbprint)
	}
	s.token = token.AccessToken
	return outcome{status: http.StatusOK}, nil
}
