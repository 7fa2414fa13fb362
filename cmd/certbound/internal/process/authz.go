package process

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/certbound/certbound/authz"
	"github.com/certbound/certbound/authz/admin"
	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/registration"
	"github.com/certbound/certbound/cmd/certbound/internal/config"
	"github.com/certbound/certbound/cmd/certbound/internal/ops"
	"github.com/certbound/certbound/keys"
	"github.com/certbound/certbound/keys/fetch"
	"github.com/certbound/certbound/keys/servertls"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
	"github.com/certbound/certbound/storage/sqlite"
)

// Options is what a process gets besides its configuration.
type Options struct {
	Logger *slog.Logger
	Clock  func() time.Time // nil means time.Now

	// Metrics, when set, shows what is made.
	Metrics *ops.Metrics

	// SigningKey, when set, becomes the active key of a database that has none.
	// Whoever holds it can forge: for `dev` only.
	SigningKey *jose.JSONWebKey
	// Administrator, when set, is to be let in to the admin API.
	Administrator *Administrator
	// Registration, when set, is applied to the store before the seed file.
	Registration *registration.Set

	draining context.Context // done when a proxy stops; nil means never
}

func (o *Options) clock() func() time.Time {
	if o.Clock == nil {
		return time.Now
	}
	return o.Clock
}

// Administrator is a client of the admin API that authenticates by exactly one
// certificate.
type Administrator struct {
	ClientID, PartnerID string
	Certificate         *x509.Certificate
	// Recover lets the administrator in although there was a first one before, when
	// the certificate is new: for `dev`, which makes certificates anew.
	Recover bool
}

// Authz is an authorization server that is ready to be served.
type Authz struct {
	Server *http.Server
	Admin  *http.Server // for a listener of its own
	Checks []ops.Check
	store  storage.Store
	stop   func() // ends the work behind the requests, and waits for it

	server   *authz.Server
	o        Options
	listener *servertls.Listener
	mu       sync.Mutex // held by Reload
	config   *config.Serve
	seed     []byte // what was applied last
	fetcher  fetcher
}

// inputs is what the configuration names, opened and checked.
type inputs struct {
	listener *servertls.Listener
	sealer   *keys.Sealer
	seed     *registration.Set
	seedText []byte
	fetcher  *fetch.Client
}

// CheckAuthz opens every file but the database, and reports all that is wrong.
// The seed is judged as for an empty database; a start is milder with what has
// expired since the database accepted it.
func CheckAuthz(c *config.Serve, logger *slog.Logger) error {
	o := Options{Logger: logger}
	_, err := openInputs(c, o, func(seed *registration.Set) error { return seed.Check(o.clock()()) })
	return err
}

// openInputs opens what it can and reports all that is wrong; check judges the
// seed.
func openInputs(c *config.Serve, o Options, check func(seed *registration.Set) error) (*inputs, error) {
	issuerErr := place(c.Source, "issuer", "metadata: issuer ", authz.CheckIssuer(c.Issuer))
	listener, tlsErr := newTLS(c.Source, c.TLS, o)
	sealer, sealerErr := Sealer(c)
	seed, seedText, seedErr := readSeed(c, check)
	fetcher, fetchErr := newFetcher(c)
	return &inputs{listener, sealer, seed, seedText, fetcher}, errors.Join(issuerErr, tlsErr, sealerErr, seedErr, fetchErr)
}

// NewAuthz opens everything an authorization server needs.
func NewAuthz(ctx context.Context, c *config.Serve, o Options) (*Authz, error) {
	in, err := openInputs(c, o, (*registration.Set).CheckShape)
	if err != nil {
		return nil, err
	}
	store, err := sqlite.Open(ctx, string(c.Database.Path), sqlite.Options{Logger: o.Logger})
	if err != nil {
		return nil, c.Source.Problem("database.path", err)
	}
	a := &Authz{store: store, o: o, config: c, listener: in.listener, seed: in.seedText}
	if err := a.assemble(ctx, c, o, in); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return a, nil
}

func (a *Authz) assemble(ctx context.Context, c *config.Serve, o Options, in *inputs) error {
	// The keys first: a wrong key-encryption key must stop the start before any
	// record has changed.
	rings, err := openRings(ctx, c, o, a.store, in.sealer)
	if err != nil {
		return place(c.Source, "keys", "keys: ", err)
	}
	if o.Registration != nil {
		if err := o.Registration.Apply(ctx, a.store, o.clock()()); err != nil {
			return err
		}
	}
	if err := in.seed.Apply(ctx, a.store, o.clock()()); err != nil {
		return placeSeed(c, err)
	}
	a.fetcher.client.Store(in.fetcher)
	enrollment := authz.Enrollment{MaxLifetime: time.Duration(c.Enrollment.MaxLifetime), PerMinute: c.Enrollment.PerMinute}
	if c.Enrollment.Enabled {
		enrollment.Sealer = in.sealer
	}
	server, err := authz.New(ctx, authz.Config{
		Enrollment: enrollment,
		Agreement:  authz.Agreement{TrustBundles: twoPairs(c), ProposalLifetime: time.Duration(c.Admin.ProposalLifetime)},
		Issuer:     c.Issuer, Store: a.store, Keys: rings.tokens, FeedKeys: rings.feed, CheckpointKeys: rings.checkpoints,
		Rates: c.RateLimits.Rates(), TokenLifetime: time.Duration(c.TokenLifetime), Logger: o.Logger, Clock: o.clock(), Observe: o.Metrics.Observe,
		Audit: authz.Audit{
			Instance: c.Audit.Instance, Durability: audit.Durability(c.Audit.Durability),
			RefusalsPerSecond: float64(c.Audit.RefusalsPerSecond), Retention: time.Duration(c.Audit.Retention), Observe: o.Metrics.ObserveCommit,
		},
		KeySets: authz.KeySets{
			Fetcher: &a.fetcher, Interval: time.Duration(c.Fetch.KeySetInterval), Floor: time.Duration(c.Fetch.KeySetFloor),
		},
	})
	if err != nil {
		return fmt.Errorf("starting the authorization server: %w", err)
	}
	a.server = server
	a.run(server)
	a.Server = servertls.HTTPServer(server.Public(), in.listener.TLSConfig(), o.Logger)
	a.Server.RegisterOnShutdown(server.Drain)
	a.Admin = servertls.HTTPServer(server.Admin(), in.listener.TLSConfig(), o.Logger)
	if err := a.administrator(ctx, c, o, server); err != nil {
		a.stop()
		return fmt.Errorf("starting the authorization server: %w", err)
	}
	o.Metrics.ShowAuthz(server)
	a.Checks = []ops.Check{
		{Name: "database", Probe: server.Ready},
		{Name: "keys", Probe: server.KeysReady},
		{Name: "trust", Probe: server.TrustCurrent, Advisory: true},
		{Name: "key_sets", Probe: server.KeySetsCurrent, Advisory: true},
	}
	return nil
}

// administrator lets the configured administrator in, and keeps the admin API's
// audience at the issuer's present name.
func (a *Authz) administrator(ctx context.Context, c *config.Serve, o Options, server *authz.Server) error {
	now := o.clock()()
	if err := admin.FollowIssuer(ctx, a.store, c.Issuer, now); err != nil {
		return err
	}
	if o.Administrator == nil {
		return nil
	}
	client, err := admin.SelfSigned(o.Administrator.ClientID, o.Administrator.PartnerID, o.Administrator.Certificate)
	if err != nil {
		return err
	}
	who := admin.Administrator{Issuer: c.Issuer, Client: client}
	err = admin.Bootstrap(ctx, a.store, server.Audit(), now, who)
	if !errors.Is(err, admin.ErrBootstrapped) || !o.Administrator.Recover {
		return err
	}
	known, err := a.store.ClientCertificates(ctx, client.ClientID)
	if err != nil {
		return err
	}
	for _, certificate := range known {
		if certificate.Thumbprint == thumbprint.Of(o.Administrator.Certificate) {
			return nil
		}
	}
	return admin.Recover(ctx, a.store, server.Audit(), now, who, "dev")
}

// run starts the work behind the requests.
func (a *Authz) run(server *authz.Server) {
	ctx, stop := context.WithCancel(context.Background()) // ended by Close, after the listeners
	done := make(chan struct{})
	go func() {
		defer close(done)
		server.Run(ctx)
	}()
	a.stop = func() {
		stop()
		<-done
	}
}

// Close stores what is still to be recorded and releases the database. Call it
// after the listeners are drained.
func (a *Authz) Close() error {
	a.stop()
	return a.store.Close()
}

// newTLS loads a listener's certificate; what is wrong with it is placed at the
// tls settings.
func newTLS(source *config.Source, t config.TLS, o Options) (*servertls.Listener, error) {
	listener, err := servertls.New(servertls.Config{
		CertificateFile: string(t.Certificate), KeyFile: string(t.Key), MinVersion: t.MinVersion,
		Logger: o.Logger, Clock: o.clock(),
	})
	return listener, source.Problem("tls.certificate", err)
}

// Sealer reads every key-encryption key. One that cannot be read stops the
// start: rows it sealed would be lost silently.
func Sealer(c *config.Serve) (*keys.Sealer, error) {
	var active keys.KEK
	var older []keys.KEK
	for i, kek := range c.Keys.KEKs {
		key, err := keys.ReadKEKFile(string(kek.File))
		if err != nil {
			return nil, place(c.Source, fmt.Sprintf("keys.keks[%d].file", i), "keys: ", err)
		}
		defer clear(key) // the sealer has its own copy
		loaded := keys.KEK{ID: kek.ID, Key: key}
		if kek.ID == c.Keys.Active {
			active = loaded
			continue
		}
		older = append(older, loaded)
	}
	sealer, err := keys.NewSealer(active, older...)
	return sealer, place(c.Source, "keys", "keys: ", err)
}
