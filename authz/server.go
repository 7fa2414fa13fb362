package authz

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/certbound/certbound/authz/admin"
	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/clientauth"
	"github.com/certbound/certbound/authz/enroll"
	"github.com/certbound/certbound/authz/introspect"
	"github.com/certbound/certbound/authz/issued"
	"github.com/certbound/certbound/authz/keyset"
	"github.com/certbound/certbound/authz/metadata"
	"github.com/certbound/certbound/authz/rates"
	"github.com/certbound/certbound/authz/registry"
	"github.com/certbound/certbound/authz/revoke"
	"github.com/certbound/certbound/authz/sightings"
	"github.com/certbound/certbound/authz/signing"
	"github.com/certbound/certbound/authz/token"
	"github.com/certbound/certbound/keys"
	"github.com/certbound/certbound/keys/trust"
	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/storage"
)

// Config holds what an authorization server is made of. Issuer, Store and all keys
// are required.
type Config struct {
	Issuer   string        // https URL without query, fragment and trailing slash
	Store    storage.Store // open, migrated
	Keys     *keys.Ring    // signs access tokens
	FeedKeys *keys.Ring    // of FeedPurpose: signs the revocation feed and nothing else
	// CheckpointKeys, of audit.CheckpointPurpose, sign audit checkpoints.
	CheckpointKeys *keys.Ring
	TokenLifetime  time.Duration // default of APIs that set none; 0 means 5 minutes, at most 1 hour
	Audit          Audit
	Logger         *slog.Logger     // nil means slog.Default()
	Clock          func() time.Time // nil means time.Now

	// Rates hold each client to a number of requests; see [Server.SetRates].
	Rates rates.Config

	// KeySets reads what clients publish at a jwks_uri.
	KeySets KeySets

	// Enrollment signs certificates for links.
	Enrollment Enrollment

	// Agreement says whether changes of trust bundles take two administrators.
	Agreement Agreement

	// Observe hears each decision of every endpoint; see decision.Sink.
	Observe func(*decision.Decision)
}

// sink is where decisions go.
func (c Config) sink() decision.Sink { return decision.Sink{Logger: c.Logger, Observe: c.Observe} }

// Audit says how the record is kept. Instance is required.
type Audit struct {
	// Instance names this process's chain of events; no two that run at the same
	// time share a name.
	Instance          string
	Durability        audit.Durability // default audit.Strict
	RefusalsPerSecond float64          // refusals that are stored; 0 means 200
	Retention         time.Duration    // for how long events are kept; 0 means for ever, else at least audit.MinRetention
	// Observe hears of each commit; see audit.Config. nil: nobody listens.
	Observe func(events int, took time.Duration, err error)
}

// Agreement is about changes that one administrator proposes and another approves.
type Agreement struct {
	TrustBundles     bool          // changes of trust bundles are of that kind
	ProposalLifetime time.Duration // 1 hour to 30 days; 0 means 7 days
}

// FeedPurpose is the purpose of the keys that sign the revocation feed.
const FeedPurpose = "revocation_feed"

// pruneEvery is how often feed entries that nobody needs any more are removed.
const pruneEvery = time.Minute

// Server is one authorization server.
type Server struct {
	store  storage.Store
	trust  *trust.Set
	audit  *audit.Recorder
	feed   *revoke.Feed
	keeper *signing.Keeper
	clock  func() time.Time
	logger *slog.Logger
	public http.Handler
	admin  http.Handler

	sweeper *audit.Sweeper
	seen    *sightings.Log
	notify  func()       // wakes those who wait for the feed
	sealer  *keys.Sealer // of enrolment's issuers; nil: there is no enrolment

	rates   *rates.Rates
	bundles trustState
	keySets *keyset.Refresher // nil: none are read
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
	if c.Store == nil || c.Keys == nil || c.FeedKeys == nil || c.CheckpointKeys == nil {
		return nil, errors.New("authz: Config.Store, Config.Keys, Config.FeedKeys or Config.CheckpointKeys is missing")
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	recorder, err := audit.New(audit.Config{
		Store: c.Store, Instance: c.Audit.Instance, Clock: c.Clock, Logger: c.Logger,
		Durability: c.Audit.Durability, RefusalsPerSecond: c.Audit.RefusalsPerSecond,
		Observe: c.Audit.Observe,
	})
	if err != nil {
		return nil, err
	}
	sweeper, err := audit.NewSweeper(audit.SweeperConfig{
		Store: c.Store, Audit: recorder, Signer: c.CheckpointKeys, Clock: c.Clock, Logger: c.Logger, Retention: c.Audit.Retention,
	})
	if err != nil {
		return nil, err
	}
	if err := c.Enrollment.check(ctx, c.Store); err != nil {
		return nil, err
	}
	limits, err := rates.New(c.Rates)
	if err != nil {
		return nil, err
	}
	s := &Server{sweeper: sweeper, rates: limits, sealer: c.Enrollment.Sealer, store: c.Store, trust: trust.NewSet(nil, nil), audit: recorder, clock: c.Clock, logger: c.Logger}
	if err := s.ReloadTrust(ctx); err != nil {
		return nil, err
	}
	if err := s.wire(c); err != nil {
		return nil, err
	}
	// Before the first answer: keys that APIs ask for and nobody has yet.
	if err := s.keeper.Tend(ctx); err != nil {
		return nil, err
	}
	c.Keys.Settled()
	return s, nil
}

// wire makes the endpoints. They share one authenticator and one reading of our
// own tokens.
func (s *Server) wire(c Config) error {
	issuer, err := metadata.ParseIssuer(c.Issuer)
	if err != nil {
		return err
	}
	notifier := new(revoke.Notifier)
	s.notify = notifier.Notify
	if s.keySets, err = s.newKeySets(c, notifier); err != nil {
		return err
	}
	if s.seen, err = s.newSightings(c); err != nil {
		return err
	}
	authenticator, err := clientauth.New(clientauth.Config{
		Records: c.Store, Trust: s.trust, Clock: c.Clock, Unregistered: s.keySetWisher(),
	})
	if err != nil {
		return err
	}
	tokens, err := issued.New(issued.Config{Issuer: c.Issuer, Keys: c.Keys, Clock: c.Clock})
	if err != nil {
		return err
	}
	s.keeper, err = signing.New(signing.Config{
		Store: c.Store, Rings: []*keys.Ring{c.Keys, c.FeedKeys, c.CheckpointKeys}, Audit: s.audit, Clock: c.Clock, Logger: c.Logger,
	})
	if err != nil {
		return err
	}
	e, err := s.endpoints(c, authenticator, tokens, notifier)
	if err != nil {
		return err
	}
	if s.admin, err = s.adminHandler(c, authenticator, notifier); err != nil {
		return err
	}
	s.feed = e.feed
	s.public = publicHandler(c, issuer.Path, e)
	return nil
}

// endpoints are those of the public listener.
type endpoints struct {
	documents     *metadata.Endpoint
	token         *token.Endpoint
	introspection *introspect.Endpoint
	revocation    *revoke.Endpoint
	feed          *revoke.Feed
	enrollment    *enroll.Endpoint // nil: there is none
}

func (s *Server) endpoints(c Config, authenticator *clientauth.Authenticator, tokens *issued.Verifier, notifier *revoke.Notifier) (*endpoints, error) {
	var e endpoints
	var errs [6]error
	records, err := registry.New(c.Store, s.registrationChanged)
	if err != nil {
		return nil, err
	}
	e.documents, errs[0] = metadata.New(c.Issuer, published{c.Keys, c.FeedKeys}, c.Keys.Policy().CacheTime)
	e.token, errs[1] = token.New(token.Config{
		Issuer: c.Issuer, Authenticator: authenticator, Records: records, Signers: c.Keys, Audit: s.audit, Rate: &s.rates.Token,
		Seen: s.seen, Lifetime: c.TokenLifetime, Clock: c.Clock, Logger: c.Logger, Observe: c.Observe,
	})
	e.introspection, errs[2] = introspect.New(introspect.Config{
		Authenticator: authenticator, Tokens: tokens, Records: c.Store, Audit: s.audit, Rate: &s.rates.Introspection,
		Clock: c.Clock, Logger: c.Logger, Observe: c.Observe,
	})
	e.revocation, errs[3] = revoke.New(revoke.Config{
		Authenticator: authenticator, Tokens: tokens, Store: c.Store, Audit: s.audit, Notifier: notifier,
		Rate: &s.rates.Revocation, Clock: c.Clock, Logger: c.Logger, Observe: c.Observe,
	})
	e.feed, errs[4] = revoke.NewFeed(revoke.FeedConfig{
		Issuer: c.Issuer, Authenticator: authenticator, Records: c.Store, Signer: c.FeedKeys, Audit: s.audit,
		Notifier: notifier, Rate: &s.rates.Feed, Clock: c.Clock, Logger: c.Logger, Observe: c.Observe,
	})
	e.enrollment, errs[5] = s.newEnrollment(c, authenticator)
	return &e, errors.Join(errs[:]...)
}

// registrationChanged reads again what is kept in memory beside the registration,
// before anything rests on its new version: no token leaves that was signed with a
// key which had stepped back before. What cannot be read is an error, be it that
// the caller has hung up: then the next request has to read it. What can be read
// and not be put in force is none, as everywhere: the bundles before it stay.
func (s *Server) registrationChanged(ctx context.Context) error {
	if err := s.refreshTrust(ctx); errors.Is(err, errTrustUnread) {
		return err
	}
	s.keeper.Refresh(ctx) // keys that could not be read sign nothing
	return nil
}

// adminHandler makes the admin API: our own verifier, with our own keys, checks
// the tokens we issued for it.
func (s *Server) adminHandler(c Config, authenticator *clientauth.Authenticator, notifier *revoke.Notifier) (http.Handler, error) {
	verifier, err := resource.New(resource.Config{
		Issuer: c.Issuer, Audience: admin.Audience(c.Issuer), Keys: ownKeys{c.Keys}, Clock: c.Clock, Logger: c.Logger,
	})
	if err != nil {
		return nil, err
	}
	return admin.NewHandler(admin.Config{
		Issuer: c.Issuer, Enrolls: c.Enrollment.Sealer != nil, Verifier: verifier, Authenticator: authenticator, Store: c.Store,
		Audit: s.audit, Keys: s.keeper, Checkpoints: c.CheckpointKeys, Pruner: s.sweeper, Notify: notifier.Notify,
		TrustChanged:     func(ctx context.Context) { _ = s.refreshTrust(ctx) }, // token requests read it again, or say why not
		SecondPairOfEyes: c.Agreement.TrustBundles, ProposalLifetime: c.Agreement.ProposalLifetime,
		Clock: c.Clock, Logger: c.Logger, Observe: c.Observe,
	})
}

// Run owns the work behind the requests: it makes audit events durable, watches
// the feed and the signing keys for other instances' changes, prunes the one and
// rotates the others. Without it no token is
// issued. It returns when ctx has ended and all that was recorded is stored, so
// end ctx after the listeners have drained.
func (s *Server) Run(ctx context.Context) {
	var work sync.WaitGroup
	work.Go(func() { s.audit.Run(ctx) })
	work.Go(func() { s.feed.Run(ctx) })
	work.Go(func() { every(ctx, pruneEvery, s.attempt("feed_not_pruned", s.pruneFeed)) })
	work.Go(func() { every(ctx, pruneEvery, s.attempt("certificates_not_tidied", s.tidyCertificates)) })
	work.Go(func() { every(ctx, retireEvery, s.attempt("retired_certificates_not_told", s.tellRetired)) })
	work.Go(func() { s.sweeper.Run(ctx) })
	work.Go(func() { every(ctx, trustEvery, s.followTrust) })
	work.Go(func() { s.keeper.Run(ctx) })
	if s.keySets != nil {
		work.Go(func() { s.keySets.Run(ctx) })
	}
	work.Wait()
}

// Drain answers those who wait at the feed, so that a listener that stops need not
// wait for them.
func (s *Server) Drain() { s.feed.Close() }

// pruneFeed forgets entries that no resource server needs any more.
func (s *Server) pruneFeed(ctx context.Context) error {
	return s.store.Update(ctx, func(tx storage.Tx) error {
		_, err := tx.PruneFeed(ctx, s.clock().UTC())
		return err
	})
}

// Audit is where events of this instance are recorded.
func (s *Server) Audit() *audit.Recorder { return s.audit }

// Admin is the handler of the admin listener, which is one of its own.
func (s *Server) Admin() http.Handler { return s.admin }

// Public is the handler of the listener clients and resource servers call.
func (s *Server) Public() http.Handler { return s.public }

// SetRates puts other rates in force from the next request on. What stays as it was
// keeps what it has counted; on an error nothing has changed.
func (s *Server) SetRates(c rates.Config) error { return s.rates.Set(c) }

// Ready reports whether the server can do its work: whether the database
// answers.
func (s *Server) Ready(ctx context.Context) error { return s.store.Ping(ctx) }

// KeysReady reports whether the signing keys are known well enough to sign with,
// and to be published.
func (s *Server) KeysReady(ctx context.Context) error { return s.keeper.Ready(ctx) }

// replaceTrust is ReloadTrust, for one caller at a time.
func (s *Server) replaceTrust(ctx context.Context) error {
	records, err := s.store.TrustBundles(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", errTrustUnread, err)
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
