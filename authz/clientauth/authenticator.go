package clientauth

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/certbound/certbound/authz/oauth"
	"github.com/certbound/certbound/keys/peercert"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/keys/trust"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/storage"
)

// Records is what the authenticator reads.
type Records interface {
	Client(ctx context.Context, id string) (storage.Client, error)
	// Certificate returns what is known of a certificate, or storage.ErrNotFound.
	Certificate(ctx context.Context, t thumbprint.Thumbprint) (storage.Certificate, error)
	ClientCertificates(ctx context.Context, clientID string) ([]storage.Certificate, error)
	CertificateDenied(ctx context.Context, t thumbprint.Thumbprint) (bool, error)
}

// Config holds the dependencies of an Authenticator; all but the last are required.
type Config struct {
	Records Records
	Trust   *trust.Set // asked on every request: a reload takes effect on open connections
	Clock   func() time.Time

	// Unregistered, when set, hears of a self-signed client with a jwks_uri that
	// showed a certificate it is not registered with: it may have published it a
	// moment ago. Who showed it has proved its key, and claims to be that client. It is
	// called within the request and must not block.
	Unregistered func(clientID string, shown thumbprint.Thumbprint)
}

// realm is named in the challenge when the Authorization header was used.
const realm = "certbound"

// Authenticator authenticates clients by the certificate of the connection.
type Authenticator struct {
	Config
	descriptions *descriptions
}

// New returns an Authenticator, or an error that names the missing dependency.
func New(c Config) (*Authenticator, error) {
	switch {
	case c.Records == nil:
		return nil, errors.New("clientauth: Config.Records is missing")
	case c.Trust == nil:
		return nil, errors.New("clientauth: Config.Trust is missing")
	case c.Clock == nil:
		return nil, errors.New("clientauth: Config.Clock is missing")
	}
	return &Authenticator{c, new(descriptions)}, nil
}

// With returns an Authenticator that reads other records.
func (a *Authenticator) With(records Records) *Authenticator {
	with := *a
	with.Records = records
	return &with
}

// Authenticated is a client that proved who it is, and how.
type Authenticated struct {
	Client storage.Client
	Peer   *peercert.Peer
	// Until is when the certificate stops being accepted: its notAfter, or before that
	// the time it retires.
	Until time.Time
}

// Authenticate runs RFC 8705 §2 over one request and fills the evidence as it
// goes. Nothing is remembered between requests: not the connection, not the
// session, not an earlier verdict.
func (a *Authenticator) Authenticate(r *http.Request, form oauth.Form, evidence *decision.Evidence) (*Authenticated, *oauth.Error) {
	authenticated, refusal := a.authenticate(r, form, evidence)
	if refusal != nil {
		refusal.Challenge = challenge(r)
		return nil, refusal
	}
	return authenticated, nil
}

func (a *Authenticator) authenticate(r *http.Request, form oauth.Form, evidence *decision.Evidence) (*Authenticated, *oauth.Error) {
	evidence.ClaimedClientID = form.Get(oauth.ParamClientID)

	peer, refusal := a.presented(r, evidence)
	if refusal != nil {
		return nil, refusal
	}
	if refusal := oneMechanism(r, form); refusal != nil {
		return nil, refusal
	}
	return a.identify(r, form.Get(oauth.ParamClientID), peer, evidence)
}

// AuthenticateAs is [Authenticator.Authenticate] for a request that names its
// client in a verified access token: the token is another credential beside the
// certificate, and it is the caller who has judged it.
func (a *Authenticator) AuthenticateAs(r *http.Request, clientID string, evidence *decision.Evidence) (*Authenticated, *oauth.Error) {
	evidence.ClaimedClientID = clientID
	peer, refusal := a.presented(r, evidence)
	if refusal != nil {
		return nil, refusal
	}
	return a.identify(r, clientID, peer, evidence)
}

// identify is all that depends on the registration.
func (a *Authenticator) identify(r *http.Request, clientID string, peer *peercert.Peer, evidence *decision.Evidence) (*Authenticated, *oauth.Error) {
	client, refusal := a.registered(r.Context(), clientID, evidence)
	if refusal != nil {
		return nil, refusal
	}
	if refusal := a.notDenied(r.Context(), peer); refusal != nil {
		return nil, refusal
	}
	record, refusal := a.verify(r.Context(), client, peer, evidence)
	if refusal != nil {
		return nil, refusal
	}
	until, refusal := a.until(peer, record)
	if refusal != nil {
		return nil, refusal
	}
	evidence.ClientID, evidence.Partner, evidence.ClaimedClientID = client.ID, client.PartnerID, ""
	a.descriptions.keep(peer.Thumbprint, evidence.Certificate, client.Matcher)
	return &Authenticated{client, peer, until}, nil
}

// presented returns the certificate the peer proved possession of, after the
// checks that need no registration. Their reasons are public.
func (a *Authenticator) presented(r *http.Request, evidence *decision.Evidence) (*peercert.Peer, *oauth.Error) {
	peer, err := peercert.FromTLS(r.TLS)
	if err != nil {
		return nil, oauth.RefuseFor(peerReason(err), err)
	}
	evidence.Certificate = a.descriptions.of(peer)
	if err := peer.Check(a.Clock()); err != nil {
		return nil, oauth.RefuseFor(peerReason(err), err)
	}
	return peer, nil
}

// oneMechanism refuses a request that brings another credential beside the
// certificate (RFC 6749 §2.3).
func oneMechanism(r *http.Request, form oauth.Form) *oauth.Error {
	if len(r.Header.Values("Authorization")) > 0 {
		return oauth.Refuse(decision.MultipleCredentials, "the request has an Authorization header beside the client certificate")
	}
	for _, name := range []string{oauth.ParamClientSecret, oauth.ParamClientAssertion, oauth.ParamClientAssertionType} {
		if form.Get(name) != "" { // without a value it counts as omitted, RFC 6749 §3.2
			return oauth.Refuse(decision.MultipleCredentials, "the request has "+name+" beside the client certificate")
		}
	}
	return nil
}

// registered loads the client the request names.
func (a *Authenticator) registered(ctx context.Context, id string, evidence *decision.Evidence) (storage.Client, *oauth.Error) {
	if id == "" {
		return storage.Client{}, oauth.Refuse(decision.RequestMalformed, "client_id is missing; RFC 8705 §2 requires it")
	}
	if !oauth.ValidClientID(id) {
		return storage.Client{}, oauth.Refuse(decision.RequestMalformed, "client_id is too long or has characters outside visible ASCII")
	}
	client, err := a.Records.Client(ctx, id)
	if errors.Is(err, storage.ErrNotFound) {
		return storage.Client{}, oauth.Refuse(decision.ClientUnknown, "no client is registered under this client_id")
	}
	if err != nil {
		return storage.Client{}, oauth.RefuseFor(decision.StorageUnavailable, err)
	}
	evidence.AuthMethod, evidence.TrustBundle = string(client.Method), client.TrustBundle
	switch {
	case client.Disabled:
		return storage.Client{}, oauth.Refuse(decision.ClientDisabled, "the client is disabled")
	case client.PartnerDisabled:
		return storage.Client{}, oauth.Refuse(decision.ClientDisabled, "the client's partner is disabled")
	}
	return client, nil
}

// notDenied asks on every request, whichever method the client has: connections
// outlive revocations.
func (a *Authenticator) notDenied(ctx context.Context, peer *peercert.Peer) *oauth.Error {
	denied, err := a.Records.CertificateDenied(ctx, peer.Thumbprint)
	switch {
	case err != nil:
		return oauth.RefuseFor(decision.StorageUnavailable, err)
	case denied:
		return &oauth.Error{Reason: decision.CertificateRevoked, Seen: peer.Thumbprint.String(), Detail: "an administrator has revoked this certificate"}
	}
	return nil
}

// verify applies the method the client is registered with, and returns what is on
// record about the certificate; nothing is the zero value. The look of the
// certificate or of its chain never chooses the method.
func (a *Authenticator) verify(ctx context.Context, client storage.Client, peer *peercert.Peer, evidence *decision.Evidence) (storage.Certificate, *oauth.Error) {
	switch client.Method {
	case storage.TLSClientAuth:
		if refusal := a.verifyPKI(client, peer, evidence); refusal != nil {
			return storage.Certificate{}, refusal
		}
		return a.onRecord(ctx, client, peer)
	case storage.SelfSignedTLSClientAuth:
		return a.verifySelfSigned(ctx, client, peer)
	default:
		return storage.Certificate{}, oauth.Refuse(decision.MethodMismatch, "the client is not registered for mutual-TLS client authentication")
	}
}

// peerReason turns what peercert says of the certificate alone into a reason.
func peerReason(err error) decision.Reason {
	switch {
	case errors.Is(err, peercert.ErrMissing):
		return decision.CertificateMissing
	case errors.Is(err, peercert.ErrExpired):
		return decision.CertificateExpired
	case errors.Is(err, peercert.ErrNotYetValid):
		return decision.CertificateNotYetValid
	case errors.Is(err, peercert.ErrWeak):
		return decision.CertificateWeak
	default:
		return decision.CertificateMalformed
	}
}

// challenge answers the scheme the client used in its Authorization header, as
// RFC 6749 §5.2 demands, or returns "" when there was none.
func challenge(r *http.Request) string {
	headers := r.Header.Values("Authorization")
	if len(headers) == 0 {
		return ""
	}
	scheme, _, _ := strings.Cut(headers[0], " ")
	if strings.EqualFold(scheme, "Bearer") {
		return `Bearer realm="` + realm + `"`
	}
	return `Basic realm="` + realm + `"`
}
