package introspect

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/certbound/certbound/authz/issued"
	"github.com/certbound/certbound/authz/oauth"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/storage"
)

// mayKnow is design rule 14. A resource server learns about tokens for its own
// API only, so that it cannot find out what its callers do elsewhere.
func (e *Endpoint) mayKnow(ctx context.Context, caller string, token *issued.Token) (*oauth.Error, error) {
	if caller == token.ClientID {
		return nil, nil
	}
	stranger := &oauth.Error{
		Reason: decision.TokenOfAnotherClient, Expected: token.ClientID, Seen: caller,
		Detail: "the caller is neither the token's client nor a resource server of its audience",
	}
	if len(token.Audience) != 1 { // we issue none such
		return stranger, nil
	}
	api, err := e.Records.APIByAudience(ctx, token.Audience[0])
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return stranger, nil
	case err != nil:
		return nil, err
	case !slices.Contains(api.ResourceServers, caller):
		return stranger, nil
	}
	return nil, nil
}

// revoked returns why a token that is good by itself no longer is; nil when it
// still is. The order is the resource server's: the most particular thing first.
func (e *Endpoint) revoked(ctx context.Context, token *issued.Token) (*oauth.Error, error) {
	denied, err := e.Records.CertificateDenied(ctx, token.Thumbprint)
	if err != nil {
		return nil, err
	}
	if denied {
		return oauth.Refuse(decision.CertificateRevoked, "the certificate the token is bound to has been revoked"), nil
	}
	now := e.Clock()
	for _, name := range []struct {
		kind    storage.FeedKind
		subject string
		reason  decision.Reason
	}{
		{storage.FeedCertificate, token.Thumbprint.String(), decision.CertificateRevoked},
		{storage.FeedBinding, token.ClientID + " " + token.Thumbprint.String(), decision.CertificateRevoked},
		{storage.FeedToken, token.ID, decision.TokenRevoked},
		{storage.FeedKey, token.KeyID, decision.TokenRevoked},
	} {
		denied, err := e.Records.Denied(ctx, name.kind, name.subject, now)
		if err != nil {
			return nil, err
		}
		if denied {
			return &oauth.Error{Reason: name.reason, Seen: name.subject, Detail: "the " + string(name.kind) + " is denied by the revocation feed"}, nil
		}
	}
	return e.clientGone(ctx, token)
}

func (e *Endpoint) clientGone(ctx context.Context, token *issued.Token) (*oauth.Error, error) {
	client, err := e.Records.Client(ctx, token.ClientID)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return oauth.Refuse(decision.ClientUnknown, "the token's client is no longer registered"), nil
	case err != nil:
		return nil, err
	case client.Disabled:
		return oauth.Refuse(decision.ClientDisabled, "the token's client is disabled"), nil
	case client.PartnerDisabled:
		return oauth.Refuse(decision.ClientDisabled, "the partner of the token's client is disabled"), nil
	case token.Generation < client.Generation:
		return &oauth.Error{
			Reason:   decision.ClientDisabled,
			Expected: fmt.Sprintf("generation %d", client.Generation), Seen: fmt.Sprintf("generation %d", token.Generation),
			Detail: "the client has been disabled, or its tokens revoked, since the token was issued",
		}, nil
	}
	return nil, nil
}
