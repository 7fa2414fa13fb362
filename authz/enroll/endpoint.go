package enroll

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/clientauth"
	"github.com/certbound/certbound/authz/oauth"
	"github.com/certbound/certbound/keys"
	"github.com/certbound/certbound/keys/ca"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/keys/trust"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/storage"
)

// storageTimeout bounds what one request waits for the database.
const storageTimeout = 5 * time.Second

// Audit records what the endpoint decides.
type Audit interface {
	// Append records events in the transaction of what they record.
	Append(ctx context.Context, tx storage.Tx, events ...audit.Event) error
	// Refused records a refusal within bounds, and never blocks.
	Refused(e audit.Event)
}

// Config holds the endpoint's dependencies; all are required but MaxLifetime,
// PerMinute and Observe.
type Config struct {
	Store         storage.Store
	Authenticator *clientauth.Authenticator
	Trust         *trust.Set
	Sealer        *keys.Sealer
	Audit         Audit
	MaxLifetime   time.Duration // of a certificate, whatever a link says; 0 means MaxLifetime
	PerMinute     int           // requests of one address; 0 means 30
	Clock         func() time.Time
	Logger        *slog.Logger
	Observe       func(*decision.Decision) // see decision.Sink; nil: nobody listens
}

// sink is where decisions go.
func (c Config) sink() decision.Sink { return decision.Sink{Logger: c.Logger, Observe: c.Observe} }

// Endpoint is /enroll.
type Endpoint struct {
	Config
	limit *limiter
}

// New checks c and returns the endpoint.
func New(c Config) (*Endpoint, error) {
	if c.Store == nil || c.Authenticator == nil || c.Trust == nil || c.Sealer == nil || c.Audit == nil || c.Clock == nil || c.Logger == nil {
		return nil, errors.New("enroll: a dependency in Config is missing")
	}
	if c.MaxLifetime == 0 {
		c.MaxLifetime = MaxLifetime
	}
	if c.MaxLifetime < MinLifetime || c.MaxLifetime > MaxLifetime {
		return nil, errors.New("enroll: Config.MaxLifetime is out of bounds")
	}
	if c.PerMinute == 0 {
		c.PerMinute = DefaultPerMinute
	}
	return &Endpoint{c, newLimiter(c.PerMinute)}, nil
}

// Answer is what a client gets.
type Answer struct {
	ClientID    string    `json:"client_id"`
	Certificate string    `json:"certificate"` // PEM
	Chain       string    `json:"chain"`       // PEM, to be sent along with the certificate
	Thumbprint  string    `json:"x5t#S256"`
	NotAfter    time.Time `json:"not_after"`
}

// ServeHTTP answers one request.
func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d := oauth.NewDecision(r, decision.EnrollmentRequest, e.Clock())
	answer, refusal := e.serve(w, r, d)
	if refusal != nil {
		oauth.Refused(w, r, e.sink(), d, refusal, e.Clock())
		e.Audit.Refused(audit.FromDecision(audit.EnrollmentRefused, d))
		return
	}
	e.sink().Put(r.Context(), d)
	text, err := json.Marshal(answer)
	if err != nil { // texts and a time; a panic is answered by Recover
		panic(err)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set(decision.RequestIDHeader, d.RequestID)
	_, _ = w.Write(append(text, '\n')) // who is gone may renew, or ask for another link
}

// serve is the pipeline.
func (e *Endpoint) serve(w http.ResponseWriter, r *http.Request, d *decision.Decision) (*Answer, *oauth.Error) {
	// 1. The rate of the address: a secret cannot be guessed, but trying costs us.
	if !e.limit.allow(r.RemoteAddr, e.Clock()) {
		return nil, &oauth.Error{
			Reason: decision.RateLimited, RetryAfter: time.Minute / time.Duration(e.PerMinute),
			Detail: "the address has used up its rate at /enroll",
		}
	}
	// 2. The request alone: a CSR that its sender could have made, and no key.
	b, csr, refusal := read(w, r)
	if refusal != nil {
		return nil, refusal
	}
	ctx, cancel := context.WithTimeout(r.Context(), storageTimeout)
	defer cancel()
	r = r.WithContext(ctx)
	// 3. What for: a link, or the certificate of the connection.
	var wanted *order
	if b.Secret != "" {
		wanted, refusal = e.byLink(ctx, b.Secret, d)
	} else {
		wanted, refusal = e.byCertificate(r, d)
	}
	if refusal != nil {
		return nil, refusal
	}
	// 4. The names: those of the order or none.
	if err := fits(csr, wanted.clientID, wanted.kind, wanted.san); err != nil {
		return nil, oauth.RefuseFor(decision.EnrollmentMismatch, err)
	}
	// 5. The certificate, which the client's own bundle accepts.
	signed, refusal := e.sign(ctx, csr, wanted)
	if refusal != nil {
		return nil, refusal
	}
	// 6. The record: certificate, consumed link and event in one transaction.
	d.Evidence.Certificate = decision.Certificate{
		Thumbprint: signed.record.Thumbprint.String(), Subject: signed.leaf.Subject.String(), Issuer: signed.leaf.Issuer.String(),
		Serial: signed.leaf.SerialNumber.Text(16), NotAfter: signed.leaf.NotAfter.UTC(),
	}
	d.Allow(http.StatusOK, e.Clock())
	if err := e.Store.Update(ctx, func(tx storage.Tx) error { return e.commit(ctx, tx, wanted, signed, d) }); err != nil {
		return nil, committed(err)
	}
	return &Answer{
		ClientID: wanted.clientID, Certificate: string(ca.EncodeCertificates(signed.leaf)),
		Chain:      string(ca.EncodeCertificates(signed.chain...)),
		Thumbprint: signed.record.Thumbprint.String(), NotAfter: signed.leaf.NotAfter.UTC(),
	}, nil
}

// signed is a certificate that nobody has yet.
type signed struct {
	leaf   *x509.Certificate
	chain  []*x509.Certificate
	record storage.Certificate
	by     storage.EnrollmentIssuer
}

func (e *Endpoint) sign(ctx context.Context, csr *x509.CertificateRequest, wanted *order) (*signed, *oauth.Error) {
	record, err := e.Store.EnrollmentIssuer(ctx, wanted.bundle)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, oauth.Refuse(decision.SigningUnavailable, "no CA is online for trust bundle "+wanted.bundle+"; see certbound ca online")
	}
	if err != nil {
		return nil, oauth.RefuseFor(decision.StorageUnavailable, err)
	}
	issuer, err := open(e.Sealer, record)
	if err != nil {
		return nil, oauth.RefuseFor(decision.SigningUnavailable, err)
	}
	now := e.Clock().UTC().Truncate(time.Second)
	notAfter := now.Add(min(wanted.lifetime, e.MaxLifetime))
	if end := issuer.Authority.Cert.NotAfter; notAfter.After(end) {
		notAfter = end
	}
	p, err := profile(wanted.clientID, wanted.kind, wanted.san, notAfter, now)
	if err != nil {
		return nil, oauth.RefuseFor(decision.EnrollmentMismatch, err)
	}
	leaf, err := issuer.Authority.IssueClient(csr.PublicKey, p)
	if err != nil {
		return nil, oauth.RefuseFor(decision.SigningUnavailable, err)
	}
	bundle, ok := e.Trust.Get(wanted.bundle)
	if !ok {
		return nil, oauth.Refuse(decision.SigningUnavailable, "trust bundle "+wanted.bundle+" is not active")
	}
	if err := bundle.Verify(leaf, issuer.Chain, e.Clock()); err != nil {
		return nil, oauth.Refuse(decision.SigningUnavailable, "trust bundle "+bundle.String()+" refuses what its CA signs: "+err.Error())
	}
	return &signed{leaf, issuer.Chain, storage.Certificate{
		Thumbprint: thumbprint.Of(leaf), ClientID: wanted.clientID, DER: leaf.Raw, Source: storage.CertificateEnrolled,
		NotBefore: leaf.NotBefore.UTC(), NotAfter: leaf.NotAfter.UTC(), CreatedAt: now,
	}, record}, nil
}
