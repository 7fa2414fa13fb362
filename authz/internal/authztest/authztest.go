// Package authztest sets an endpoint of the authorization server up for its
// tests as it runs: a real database, a real TLS listener, certificates of two
// partners, a recorder at work and a clock that stands until it is moved. It is
// imported by tests only, and knows no endpoint.
package authztest

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/clientauth"
	"github.com/certbound/certbound/authz/issued"
	"github.com/certbound/certbound/authz/signing"
	"github.com/certbound/certbound/keys"
	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/keys/trust"
	"github.com/certbound/certbound/resource/accesstoken"
	"github.com/certbound/certbound/storage"
	"github.com/certbound/certbound/storage/sqlite"
)

// The cast. Clients a and b are of partner acme, c of globex; accounts and
// payments are APIs with a resource server each.
const (
	Issuer   = "https://as.example"
	Accounts = "https://accounts.example"
	Payments = "https://payments.example"

	ClientA = "client-a"
	ClientB = "client-b"
	ClientC = "client-c"

	AccountsServer = "accounts-rs"
	PaymentsServer = "payments-rs"
)

// World is everything behind an endpoint.
type World struct {
	T        testing.TB
	Store    storage.Store
	Recorder *audit.Recorder
	Auth     *clientauth.Authenticator
	Tokens   *issued.Verifier
	Ring     *keys.Ring // of access tokens
	FeedRing *keys.Ring
	Sealer   *keys.Sealer
	// CheckpointRing signs audit checkpoints.
	CheckpointRing *keys.Ring
	CA             *keystest.CA
	Log            *Log
	Logger         *slog.Logger
	Broken         *Broken // the store as the endpoints see it
	Flush          func()  // ends the recorder, so that refusals are stored too

	mu    sync.Mutex
	now   time.Time
	pairs map[string]keystest.Pair
}

// New makes a world. Its recorder runs until the test ends.
func New(t testing.TB) *World {
	t.Helper()
	w := &World{T: t, Log: &Log{}, now: time.Now().UTC().Truncate(time.Second), pairs: map[string]keystest.Pair{}}
	w.Logger = slog.New(slog.NewJSONHandler(w.Log, nil))
	w.CA = keystest.NewCA(t, "Partners CA")
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "certbound.db"), sqlite.Options{})
	w.must(err)
	t.Cleanup(func() { _ = store.Close() })
	w.Store, w.Broken = store, &Broken{Store: store}
	w.register()
	kek := make([]byte, 32)
	rand.Read(kek)
	w.Sealer, err = keys.NewSealer(keys.KEK{ID: "k1", Key: kek})
	w.must(err)
	w.Ring, w.FeedRing = w.ring("access_token"), w.ring("revocation_feed")
	w.CheckpointRing = w.ring(audit.CheckpointPurpose)

	bundle, err := trust.New(trust.Spec{Name: "partners", Version: 1, Anchors: w.CA.CertPEM()}, w.now)
	w.must(err)
	w.Auth, err = clientauth.New(clientauth.Config{Records: w.Broken, Trust: trust.NewSet([]*trust.Bundle{bundle}, nil), Clock: w.Clock})
	w.must(err)
	w.Tokens, err = issued.New(issued.Config{Issuer: Issuer, Keys: w.Ring, Clock: w.Clock})
	w.must(err)
	w.Recorder, err = audit.New(audit.Config{Store: store, Instance: "test", Clock: w.Clock, Logger: w.Logger})
	w.must(err)
	w.run()
	return w
}

func (w *World) run() {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.Recorder.Run(ctx)
	}()
	w.Flush = func() {
		stop()
		<-done
	}
	w.T.Cleanup(w.Flush)
}

func (w *World) must(err error) {
	w.T.Helper()
	if err != nil {
		w.T.Fatal(err)
	}
}

// Update changes the store as an administrator would.
func (w *World) Update(fn func(ctx context.Context, tx storage.Tx) error) {
	w.T.Helper()
	ctx := context.Background()
	w.must(w.Store.Update(ctx, func(tx storage.Tx) error { return fn(ctx, tx) }))
}

func (w *World) register() {
	w.Update(func(ctx context.Context, tx storage.Tx) error {
		_, err := tx.PutTrustBundle(ctx, storage.TrustBundle{Name: "partners", AnchorsPEM: string(w.CA.CertPEM()), ContentHash: "x", CreatedAt: w.now})
		errs := []error{
			err,
			tx.CreatePartner(ctx, storage.Partner{ID: "acme", CreatedAt: w.now}),
			tx.CreatePartner(ctx, storage.Partner{ID: "globex", CreatedAt: w.now}),
		}
		for id, partner := range map[string]string{
			ClientA: "acme", ClientB: "acme", ClientC: "globex", AccountsServer: "acme", PaymentsServer: "acme",
		} {
			errs = append(errs, tx.CreateClient(ctx, storage.Client{
				ID: id, PartnerID: partner, Method: storage.TLSClientAuth, TrustBundle: "partners", CreatedAt: w.now,
				Matcher: storage.Matcher{Kind: storage.SANDNS, Value: dns(id), Canonical: dns(id)},
			}))
		}
		return errors.Join(append(errs,
			tx.CreateAPI(ctx, storage.API{ID: "accounts", Audience: Accounts, Scopes: []string{"accounts:read"}, ResourceServers: []string{AccountsServer}, CreatedAt: w.now}),
			tx.CreateAPI(ctx, storage.API{ID: "payments", Audience: Payments, Scopes: []string{"payments:write"}, ResourceServers: []string{PaymentsServer}, CreatedAt: w.now}),
		)...)
	})
}

func dns(id string) string { return id + ".example" }

func (w *World) ring(purpose string) *keys.Ring {
	ring, err := keys.Open(w.T.Context(), keys.Config{
		Store: signing.Store{Store: w.Store}, Sealer: w.Sealer, Clock: w.Clock, Purpose: purpose,
	})
	w.must(err)
	return ring
}

// Clock is the time of the world.
func (w *World) Clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// Advance moves the clock.
func (w *World) Advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// Pair is the certificate of a client, always the same one.
func (w *World) Pair(id string) *keystest.Pair {
	w.mu.Lock()
	defer w.mu.Unlock()
	pair, ok := w.pairs[id]
	if !ok {
		pair = w.CA.Client(w.T, keystest.CommonName(id), keystest.DNS(dns(id)))
		w.pairs[id] = pair
	}
	return &pair
}

// Claims are those of a fresh token of the client for the accounts API, bound to
// its certificate.
func (w *World) Claims(id string) *accesstoken.Claims {
	client, err := w.Store.Client(context.Background(), id)
	w.must(err)
	now := w.Clock()
	return &accesstoken.Claims{
		Issuer: Issuer, Subject: id, ClientID: id, Audience: []string{Accounts}, ID: "jti-" + rand.Text(),
		Partner: client.PartnerID, IssuedAt: now, Expiry: now.Add(5 * time.Minute), Scopes: []string{"accounts:read"},
		Thumbprint: thumbprint.Of(w.Pair(id).Cert), Generation: client.Generation,
	}
}

// Sign makes a token of the claims, as the token endpoint does.
func (w *World) Sign(claims *accesstoken.Claims) string {
	w.T.Helper()
	payload, err := claims.Marshal()
	w.must(err)
	token, err := w.Ring.Sign(payload, accesstoken.Type)
	w.must(err)
	return token
}

// Events are the stored audit events of a kind. Refusals are there after Flush.
func (w *World) Events(kind audit.Kind) []storage.AuditEvent {
	w.T.Helper()
	events, err := w.Store.AuditEvents(context.Background(), storage.AuditQuery{Kind: string(kind), Limit: 1000})
	w.must(err)
	return events
}
