package tokenclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/certbound/certbound/keys/thumbprint"
)

// SourceConfig says which tokens a [Source] keeps.
type SourceConfig struct {
	Config  // who asks whom; Certificate may be empty when Certificates is set
	Request // what for

	// Certificates supplies the certificate as it is now; default Config's, which
	// then never changes.
	Certificates CertificateSource

	// Clock is the current time; default time.Now.
	Clock func() time.Time

	// Logger gets failures to refresh a token or to load a certificate while the
	// old one is still good; default slog.Default(). Tokens are never logged.
	Logger *slog.Logger
}

// Source keeps one access token and the certificate that it is bound to. It owns
// no background work but refreshes that somebody's request has started. Make one
// with [NewSource]; it is safe for use by many goroutines.
type Source struct {
	config SourceConfig

	mu      sync.Mutex
	current *session // of the certificate as it was last seen
	warned  string   // the last failure to load a certificate
}

// NewSource checks c and loads the certificate. Nothing is sent yet.
func NewSource(c SourceConfig) (*Source, error) {
	if c.Certificates == nil {
		c.Certificates = &fixed{c.Certificate}
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	s := &Source{config: c}
	if _, err := s.session(); err != nil {
		return nil, err
	}
	return s, nil
}

// Token returns an access token that is good for some time yet, and the
// certificate that it is bound to: an API takes it over a connection with that
// certificate and no other. A refusal by the authorization server is an [*Error].
func (s *Source) Token(ctx context.Context) (*Token, *tls.Certificate, error) {
	session, err := s.session()
	if err != nil {
		return nil, nil, err
	}
	token, err := session.token(ctx)
	if err != nil {
		return nil, nil, err
	}
	return token, session.certificate, nil
}

// Close ends idle connections.
func (s *Source) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil {
		s.current.client.Close()
	}
}

// session is the one of the certificate as it is now. One certificate has one
// session, so neither token nor connection outlives the certificate's renewal.
func (s *Source) session() (*session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next, err := s.open()
	if err == nil {
		s.current, s.warned = next, ""
		return next, nil
	}
	if s.current == nil {
		return nil, err
	}
	if s.warned != err.Error() {
		s.warned = err.Error()
		s.config.Logger.Warn("client_certificate_not_loaded", "error", err.Error())
	}
	return s.current, nil
}

// open returns the current session if the certificate is still its own, and a new
// one if not.
func (s *Source) open() (*session, error) {
	certificate, err := s.config.Certificates.Certificate()
	if err != nil {
		return nil, err
	}
	bound, err := thumbprintOf(certificate)
	if err != nil {
		return nil, err
	}
	if s.current != nil && s.current.thumbprint.Equal(bound) {
		return s.current, nil
	}
	config := s.config.Config
	config.Certificate = *certificate
	client, err := New(config)
	if err != nil {
		return nil, err
	}
	if s.current != nil {
		// On a connection that was opened with the old certificate the token would
		// be bound to the old one.
		s.current.client.Close()
	}
	return &session{
		client: client, request: s.config.Request, certificate: certificate, thumbprint: bound,
		clock: s.config.Clock, logger: s.config.Logger,
	}, nil
}

// thumbprintOf is what tokens of the certificate are bound to (RFC 8705 §3.1).
func thumbprintOf(certificate *tls.Certificate) (thumbprint.Thumbprint, error) {
	if certificate == nil || len(certificate.Certificate) == 0 {
		return thumbprint.Thumbprint{}, errors.New("tokenclient: there is no certificate")
	}
	leaf, err := x509.ParseCertificate(certificate.Certificate[0])
	if err != nil {
		return thumbprint.Thumbprint{}, fmt.Errorf("tokenclient: the certificate: %w", err)
	}
	return thumbprint.Of(leaf), nil
}
