package authz

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/certbound/certbound/authz/clientauth"
	"github.com/certbound/certbound/authz/metadata"
	"github.com/certbound/certbound/authz/token"
	"github.com/certbound/certbound/keys"
	"github.com/certbound/certbound/keys/trust"
	"github.com/certbound/certbound/storage"
)

// Config holds what an authorization server is made of. Issuer, Store and Keys
// are required.
type Config struct {
	Issuer        string        // https URL without query, fragment and trailing slash
	Store         storage.Store // open, migrated
	Keys          *keys.Ring
	TokenLifetime time.Duration    // default of APIs that set none; 0 means 5 minutes, at most 1 hour
	Logger        *slog.Logger     // nil means slog.Default()
	Clock         func() time.Time // nil means time.Now
}

// Server is one authorization server.
type Server struct {
	store  storage.Store
	trust  *trust.Set
	logger *slog.Logger
	public http.Handler
}

// CheckIssuer says what is wrong with an issuer identifier (RFC 8414 §2), as New
// would: callers that know where it was written check it before they open
// anything.
func CheckIssuer(issuer string) error {
	_, err := metadata.ParseIssuer(issuer)
	return err
}

// New wires a server. It reads the trust bundles from the store; an active one
// that cannot be used is an error, and the server does not start.
func New(ctx context.Context, c Config) (*Server, error) {
	if c.Store == nil || c.Keys == nil {
		return nil, errors.New("authz: Config.Store or Config.Keys is missing")
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	s := &Server{store: c.Store, trust: trust.NewSet(nil, nil), logger: c.Logger}
	if err := s.ReloadTrust(ctx); err != nil {
		return nil, err
	}
	if err := s.wire(c); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Server) wire(c Config) error {
	documents, err := metadata.New(c.Issuer, c.Keys)
	if err != nil {
		return err
	}
	authenticator, err := clientauth.New(clientauth.Config{
		Records: c.Store, Trust: s.trust, Clock: c.Clock,
	})
	if err != nil {
		return err
	}
	tokens, err := token.New(token.Config{
		Issuer: c.Issuer, Authenticator: authenticator, APIs: c.Store, Signer: c.Keys,
		Lifetime: c.TokenLifetime, Clock: c.Clock, Logger: c.Logger,
	})
	if err != nil {
		return err
	}
	issuer, err := metadata.ParseIssuer(c.Issuer)
	if err != nil {
		return err
	}
	s.public = publicHandler(c, issuer.Path, tokens, documents)
	return nil
}

// Public is the handler of the listener clients and resource servers call.
func (s *Server) Public() http.Handler { return s.public }

// Ready reports whether the server can do its work: whether the database
// answers.
func (s *Server) Ready(ctx context.Context) error { return s.store.Ping(ctx) }

// ReloadTrust reads the trust bundles again and puts them in force as a whole.
// On an error the bundles that were in force stay. A retired version that cannot
// be used any more is left out and logged: it accepts nobody, it only gives
// certificates it would have accepted a better reason.
func (s *Server) ReloadTrust(ctx context.Context) error {
	records, err := s.store.TrustBundles(ctx)
	if err != nil {
		return fmt.Errorf("authz: reading trust bundles: %w", err)
	}
	var active, retired []*trust.Bundle
	for _, record := range records {
		bundle, err := loadBundle(record)
		switch {
		case record.Status == storage.BundleActive && err != nil:
			return fmt.Errorf("authz: trust bundle %s@%d: %w", record.Name, record.Version, err)
		case record.Status == storage.BundleActive:
			active = append(active, bundle)
		case record.Status == storage.BundleRetired && err != nil:
			s.logger.LogAttrs(ctx, slog.LevelWarn, "retired_bundle_skipped", slog.String("trust_bundle", record.Name),
				slog.Int64("version", record.Version), slog.String("detail", err.Error()))
		case record.Status == storage.BundleRetired:
			retired = append(retired, bundle)
		}
	}
	s.trust.Replace(active, retired)
	return nil
}
