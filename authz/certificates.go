package authz

import (
	"context"
	"time"

	"github.com/certbound/certbound/authz/clientauth"
	"github.com/certbound/certbound/authz/enroll"
	"github.com/certbound/certbound/authz/oauth"
	"github.com/certbound/certbound/authz/sightings"
	"github.com/certbound/certbound/keys"
	"github.com/certbound/certbound/storage"
)

// Enrollment says how certificates are signed for links. Without a Sealer there is
// no /enroll.
type Enrollment struct {
	Sealer      *keys.Sealer  // opens the keys of the CAs that are online
	MaxLifetime time.Duration // of a certificate; 0 means enroll.MaxLifetime
	PerMinute   int           // requests of one address; 0 means the default of enroll
}

// check opens every online CA: a wrong key-encryption key stops the start.
func (e Enrollment) check(ctx context.Context, store storage.Store) error {
	if e.Sealer == nil {
		return nil
	}
	return enroll.Reseal(ctx, store, e.Sealer)
}

func (s *Server) newEnrollment(c Config, authenticator *clientauth.Authenticator) (*enroll.Endpoint, error) {
	if c.Enrollment.Sealer == nil {
		return nil, nil
	}
	return enroll.New(enroll.Config{
		Store: c.Store, Authenticator: authenticator, Trust: s.trust, Sealer: c.Enrollment.Sealer, Audit: s.audit,
		MaxLifetime: c.Enrollment.MaxLifetime, PerMinute: c.Enrollment.PerMinute,
		Clock: c.Clock, Logger: c.Logger, Observe: c.Observe,
	})
}

func (s *Server) newSightings(c Config) (*sightings.Log, error) {
	return sightings.New(sightings.Config{Store: c.Store, Clock: c.Clock, Logger: c.Logger})
}

const (
	retireEvery   = time.Second
	retiredAtOnce = 100

	// forgetAfter is how long after its end a certificate is remembered that was only
	// seen.
	forgetAfter = 7 * 24 * time.Hour
	// forgetLinksAfter is how long after its end an enrolment link can still be read. The
	// audit trail keeps it as long as anything.
	forgetLinksAfter = 90 * 24 * time.Hour

	forgetAtOnce = 1000
)

// tellRetired tells resource servers of certificates whose retire time has passed: a
// token issued before that time was set may live longer.
func (s *Server) tellRetired(ctx context.Context) error {
	now := s.clock().UTC().Truncate(time.Second)
	retired, err := s.store.RetiredCertificates(ctx, now, retiredAtOnce)
	if err != nil || len(retired) == 0 {
		return err
	}
	err = s.store.Update(ctx, func(tx storage.Tx) error {
		// Read again: another instance may have told them, or the time may be another.
		due, err := tx.RetiredCertificates(ctx, now, retiredAtOnce)
		if err != nil {
			return err
		}
		for i := range due {
			if err := tellOne(ctx, tx, &due[i], now); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		s.notify()
	}
	return err
}

func tellOne(ctx context.Context, tx storage.Tx, c *storage.Certificate, now time.Time) error {
	_, err := tx.AppendFeed(ctx, []storage.FeedEntry{{
		Kind: storage.FeedCertificate, Action: storage.FeedDeny, Subject: c.Thumbprint.String(),
		CreatedAt: now, ExpiresAt: now.Add(oauth.MaxTokenLifetime + time.Minute),
	}})
	if err != nil {
		return err
	}
	return tx.ToldRetired(ctx, c.Thumbprint)
}

// tidyCertificates forgets what was only seen and is long over, and old enrolment
// links, and seals what a replaced key-encryption key has sealed.
func (s *Server) tidyCertificates(ctx context.Context) error {
	now := s.clock().UTC()
	err := s.store.Update(ctx, func(tx storage.Tx) error {
		if _, err := tx.ForgetSeen(ctx, now.Add(-forgetAfter), forgetAtOnce); err != nil {
			return err
		}
		_, err := tx.ForgetEnrollments(ctx, now.Add(-forgetLinksAfter), forgetAtOnce)
		return err
	})
	if err != nil || s.sealer == nil {
		return err
	}
	return enroll.Reseal(ctx, s.store, s.sealer)
}
