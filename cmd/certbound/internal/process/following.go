package process

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/certbound/certbound/resource/accesstoken"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/resource/revokefeed"
)

// following is a follower of the revocation feed and the goroutine it runs on. A
// nil one is a feed that is not followed.
type following struct {
	*revokefeed.Follower
	cancel context.CancelFunc
	done   chan struct{}

	// What is under way when a reload puts another feed in force asks this one for as
	// long as it lasts.
	next  atomic.Pointer[following] // knows in its place
	ended atomic.Bool               // nobody does: the issuer is another, or no feed is followed
}

var errUnfollowed = errors.New("process: the feed is no longer followed since a reload")

// Check is the verifier's question, and that of an exchange which its verifier has
// let through before.
func (f *following) Check(c *accesstoken.Claims, keyID string) (decision.Reason, error) {
	if next := f.next.Load(); next != nil {
		return next.Check(c, keyID)
	}
	reason, err := f.Follower.Check(c, keyID)
	if err == nil && f.ended.Load() {
		err = errUnfollowed
	}
	return reason, err
}

// follower makes the client of the revocation feed, or takes it over: with the
// same keys, name and certificate it would hear the same.
func (g *generation) follower(o Options, earlier *generation) (*following, error) {
	c := g.config
	if !c.Revocations.Followed() {
		return nil, nil
	}
	if earlier != nil && earlier.feed != nil && earlier.keys == g.keys &&
		earlier.config.Revocations.ClientID == c.Revocations.ClientID &&
		earlier.config.Revocations.MaxStaleness == c.Revocations.MaxStaleness &&
		samePair(earlier.in.certificate, g.in.certificate) {
		return earlier.feed, nil
	}
	t := transport(g.in.issuerRoots)
	t.TLSClientConfig.Certificates = []tls.Certificate{*g.in.certificate}
	t.ResponseHeaderTimeout = 0 // the server is asked to wait
	var known *revokefeed.Follower
	if earlier != nil && earlier.feed != nil && earlier.config.Issuer == c.Issuer {
		known = earlier.feed.Follower // a feed that begins again must not forget
	}
	f, err := revokefeed.NewFollower(revokefeed.FollowerConfig{
		Issuer: c.Issuer, Earlier: known, ClientID: c.Revocations.ClientID, HTTPClient: &http.Client{Transport: t}, Keys: g.keys,
		MaxStaleness: time.Duration(c.Revocations.MaxStaleness), Clock: o.clock(), Logger: o.Logger,
	})
	if err != nil {
		return nil, err
	}
	return &following{Follower: f}, nil
}

// samePair compares the chains. A certificate's key cannot change.
func samePair(a, b *tls.Certificate) bool { return reflect.DeepEqual(a.Certificate, b.Certificate) }

// start follows the feed until stop.
func (f *following) start(logger *slog.Logger) {
	if f == nil {
		return
	}
	var ctx context.Context
	ctx, f.cancel = context.WithCancel(context.Background()) // ended by stop
	f.done = make(chan struct{})
	go func() {
		defer close(f.done)
		if err := f.Run(ctx); err != nil {
			logger.ErrorContext(ctx, "revocations_not_followed", "detail", err.Error())
		}
	}()
}

// stop ends what start began, and waits for it. It may be called again.
func (f *following) stop() {
	if f == nil {
		return
	}
	f.cancel()
	<-f.done
}

// ready is an error while nobody can say what has been revoked.
func (f *following) ready() error {
	if f == nil {
		return nil
	}
	return f.Ready()
}
