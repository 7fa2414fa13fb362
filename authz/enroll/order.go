package enroll

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/oauth"
	"github.com/certbound/certbound/keys/peercert"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/storage"
)

// order is what is to be signed, and on whose word.
type order struct {
	clientID, partner, bundle string
	kind                      storage.MatcherKind
	san                       string
	lifetime                  time.Duration

	link    string                // id of the enrolment; empty for a renewal
	by      string                // who made the link
	replace thumbprint.Thumbprint // the certificate that is renewed
}

// errRefused is what a transaction finds: the link was used meanwhile, or the client
// has changed.
var errRefused = errors.New("enroll: the link or the client has changed meanwhile")

// errTooMany: the client has as many certificates as it may.
var errTooMany = errors.New("enroll: the client has too many certificates that are still good; let some expire, or revoke them")

// errOffline: nothing that its CA signs may be handed out any more.
var errOffline = errors.New("enroll: the CA went offline meanwhile, or was replaced")

// maxGood bounds the certificates of a client that were signed here and are still
// good: a stolen one must not multiply without end.
const maxGood = 16

// byLink finds the link of a secret. All that can be wrong with it looks the same
// from outside.
func (e *Endpoint) byLink(ctx context.Context, secret string, d *decision.Decision) (*order, *oauth.Error) {
	if !wellFormed(secret) {
		return nil, oauth.Refuse(decision.EnrollmentRefused, "the secret is not one of ours")
	}
	link, err := e.Store.EnrollmentBySecret(ctx, hash(secret))
	if errors.Is(err, storage.ErrNotFound) {
		return nil, oauth.Refuse(decision.EnrollmentRefused, "no link has this secret")
	}
	if err != nil {
		return nil, oauth.RefuseFor(decision.StorageUnavailable, err)
	}
	d.Evidence.ClaimedClientID, d.Evidence.TrustBundle = link.ClientID, link.TrustBundle
	switch {
	case !link.UsedAt.IsZero():
		return nil, oauth.Refuse(decision.EnrollmentRefused, "the link "+link.ID+" was used at "+link.UsedAt.Format(time.RFC3339))
	case !e.Clock().Before(link.ExpiresAt):
		return nil, oauth.Refuse(decision.EnrollmentRefused, "the link "+link.ID+" expired at "+link.ExpiresAt.Format(time.RFC3339))
	}
	client, err := e.Store.Client(ctx, link.ClientID)
	if err != nil {
		return nil, oauth.RefuseFor(decision.StorageUnavailable, err)
	}
	wanted := &order{
		clientID: link.ClientID, partner: client.PartnerID, bundle: link.TrustBundle, kind: link.SANKind, san: link.SAN,
		lifetime: link.Lifetime, link: link.ID, by: link.CreatedBy,
	}
	if !wanted.stands(client) {
		return nil, oauth.Refuse(decision.EnrollmentRefused, "the client is disabled, or registered otherwise than when the link "+link.ID+" was made")
	}
	d.Evidence.ClientID, d.Evidence.Partner, d.Evidence.ClaimedClientID = client.ID, client.PartnerID, ""
	return wanted, nil
}

// byCertificate lets a client renew with a certificate that was signed here and
// still authenticates it.
func (e *Endpoint) byCertificate(r *http.Request, d *decision.Decision) (*order, *oauth.Error) {
	if len(r.Header.Values("Authorization")) > 0 {
		return nil, oauth.Refuse(decision.MultipleCredentials, "the request has an Authorization header beside the client certificate")
	}
	peer, err := peercert.FromTLS(r.TLS)
	if errors.Is(err, peercert.ErrMissing) {
		return nil, oauth.Refuse(decision.EnrollmentRefused, "neither a secret nor a client certificate was sent")
	}
	if err != nil {
		return nil, oauth.RefuseFor(decision.CertificateMalformed, err)
	}
	present, err := e.Store.Certificate(r.Context(), peer.Thumbprint)
	if errors.Is(err, storage.ErrNotFound) || err == nil && present.Source != storage.CertificateEnrolled {
		return nil, oauth.Refuse(decision.CertificateNotRegistered, "the certificate was not signed here")
	}
	if err != nil {
		return nil, oauth.RefuseFor(decision.StorageUnavailable, err)
	}
	proven, refusal := e.Authenticator.AuthenticateAs(r, present.ClientID, &d.Evidence)
	if refusal != nil {
		return nil, refusal
	}
	c := proven.Client
	if !nameable(c.Matcher.Kind) {
		return nil, oauth.Refuse(decision.EnrollmentRefused, ErrNoSAN.Error())
	}
	return &order{
		clientID: c.ID, partner: c.PartnerID, bundle: c.TrustBundle, kind: c.Matcher.Kind, san: c.Matcher.Value,
		lifetime: present.NotAfter.Sub(present.NotBefore) - backdated, replace: present.Thumbprint,
	}, nil
}

// stands reports whether the client is still the one the order is about.
func (o *order) stands(c storage.Client) bool {
	return !c.Disabled && !c.PartnerDisabled && c.Method == storage.TLSClientAuth && c.TrustBundle == o.bundle &&
		c.Matcher.Kind == o.kind && c.Matcher.Value == o.san
}

// commit stores the certificate. What the order rests on is read again: of two who
// use a link at once, one comes second.
func (e *Endpoint) commit(ctx context.Context, tx storage.Tx, o *order, s *signed, d *decision.Decision) error {
	client, err := tx.Client(ctx, o.clientID)
	if err != nil {
		return err
	}
	if !o.stands(client) {
		return errRefused
	}
	online, err := tx.EnrollmentIssuer(ctx, o.bundle)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	if online.ChainPEM != s.by.ChainPEM {
		return errOffline
	}
	now := s.record.CreatedAt
	known, err := tx.ClientCertificates(ctx, o.clientID)
	if err != nil {
		return err
	}
	good := 0
	for _, c := range known {
		if c.Source == storage.CertificateEnrolled && now.Before(c.NotAfter) {
			good++
		}
	}
	if good >= maxGood {
		return errTooMany
	}
	event := audit.FromDecision(audit.CertificateEnrolled, d)
	if o.link == "" {
		event.Kind = audit.CertificateRenewed
		if err := e.present(ctx, tx, o); err != nil {
			return err
		}
	} else if err := tx.UseEnrollment(ctx, o.link, s.record.Thumbprint, now); err != nil {
		return err
	}
	if err := tx.AddCertificate(ctx, s.record); err != nil {
		return err
	}
	event.Detail = o.detail(s)
	return e.Audit.Append(ctx, tx, event)
}

// present holds a renewal to the certificate it rests on: still there, not revoked
// meanwhile.
func (e *Endpoint) present(ctx context.Context, tx storage.Tx, o *order) error {
	denied, err := tx.CertificateDenied(ctx, o.replace)
	if err != nil {
		return err
	}
	owner, err := tx.Certificate(ctx, o.replace)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	if denied || owner.ClientID != o.clientID {
		return errRefused
	}
	return nil
}

func (o *order) detail(s *signed) map[string]any {
	detail := map[string]any{
		"trust_bundle": o.bundle, "san": o.san, "serial": s.leaf.SerialNumber.Text(16), "issuer": s.leaf.Issuer.String(),
		"not_after": s.leaf.NotAfter.UTC(),
	}
	if o.link != "" {
		detail["enrollment"], detail["created_by"] = o.link, o.by
	} else {
		detail["renews"] = o.replace.String()
	}
	return detail
}

// committed is the refusal for what the transaction said.
func committed(err error) *oauth.Error {
	switch {
	case errors.Is(err, errOffline):
		return oauth.RefuseFor(decision.SigningUnavailable, err)
	case errors.Is(err, errRefused), errors.Is(err, errTooMany), errors.Is(err, storage.ErrStale), errors.Is(err, storage.ErrNotFound):
		return oauth.RefuseFor(decision.EnrollmentRefused, err)
	}
	return oauth.RefuseFor(decision.StorageUnavailable, err)
}
