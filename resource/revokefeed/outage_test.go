package revokefeed_test

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/resource/revokefeed"
)

// TestStale walks through an outage: stale before the first answer, current,
// stale again, and back within seconds.
func TestStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		down := func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte(`{"error":"temporarily_unavailable","reason":"storage_unavailable","request_id":"77"}`))
			return true
		}
		s.publish(denyToken)
		s.lie(down)
		var log logs
		f := s.follow(t, func(c *revokefeed.FollowerConfig) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		pass(10 * time.Second)
		expect(t, f, "", true)
		if f.Age() != 10*time.Second || f.Seq() != 0 || f.Entries() != 0 {
			t.Errorf("before the first answer: age %v, seq %d, %d entries", f.Age(), f.Seq(), f.Entries())
		}
		_, err := f.Check(claims(t), "k1")
		const last = `revokefeed: the authorization server answered 503 instead of 200: reason "storage_unavailable", request_id "77"`
		if want := "revokefeed: stale: there has been no good answer yet; the last attempt: " + last; err == nil || err.Error() != want {
			t.Errorf("Check: %v", err)
		}
		if n := len(s.questions); n < 7 || n > 20 {
			t.Errorf("%d attempts in 10 s", n)
		}

		s.lie(nil)
		pass(2 * time.Second)
		expect(t, f, decision.TokenRevoked, false)
		if f.LastError() != nil || f.Age() > 2*time.Second {
			t.Errorf("recovered: %v, %v", f.LastError(), f.Age())
		}

		s.lie(down) // it answers the poll under way as well
		pass(28 * time.Second)
		expect(t, f, decision.TokenRevoked, false)
		pass(4 * time.Second)
		expect(t, f, decision.TokenRevoked, true) // stale, and still known to be dead
		s.publish(lift(denyToken))
		s.lie(nil)
		pass(2 * time.Second)
		expect(t, f, "", false)
		if n := strings.Count(log.String(), "revocations_poll_failed"); n < 2 || n > 4 {
			t.Errorf("%d lines about failures:\n%s", n, log.String())
		}
		if n := strings.Count(log.String(), "revocations_poll_recovered"); n != 2 {
			t.Errorf("%d lines about recoveries:\n%s", n, log.String())
		}
	})
}

// TestSilentConnection: a poll that is never answered ends in time for another,
// so that a lost connection does not make the state stale.
func TestSilentConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		f := s.follow(t)
		synctest.Wait()
		s.lie(func(_ http.ResponseWriter, r *http.Request) bool {
			if r.URL.Query().Get("wait") == "0s" {
				return false
			}
			<-r.Context().Done()
			return true
		})
		for range 300 {
			pass(time.Second)
			expect(t, f, "", false)
		}
	})
}

func TestShortStaleness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		f := s.follow(t, func(c *revokefeed.FollowerConfig) { c.MaxStaleness = time.Second })
		for range 1000 {
			pass(10 * time.Millisecond)
			expect(t, f, "", false)
		}
		s.lie(func(_ http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); return true })
		pass(1100 * time.Millisecond)
		expect(t, f, "", true)
	})
}

// TestSuspendedMachine: the wall clock shows what the monotonic one has slept
// through.
func TestSuspendedMachine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		wall := time.Now().Round(0) // without a monotonic reading
		clock := wall
		f := s.follow(t, func(c *revokefeed.FollowerConfig) { c.Clock = func() time.Time { return clock } })
		synctest.Wait()
		expect(t, f, "", false)
		clock = wall.Add(30 * time.Second)
		expect(t, f, "", false)
		clock = wall.Add(31 * time.Second)
		expect(t, f, "", true)
		clock = wall.Add(-time.Second) // set back: nobody knows how old the answer is
		expect(t, f, "", true)
		clock = wall
	})
}

// TestPrunedWhileAway: what expires at the server while a follower cannot hear it
// is not missed, and the rest arrives as a delta.
func TestPrunedWhileAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		short := denyToken
		short.Expires = time.Now().Add(5 * time.Minute)
		s.publish(short)
		f := s.follow(t)
		synctest.Wait()
		s.lie(func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(http.StatusBadGateway); return true })
		s.publish(bystander, denyCertificate)
		pass(10 * time.Minute)
		s.change(func() { s.entries = s.entries[2:] })
		s.lie(nil)
		pass(3 * time.Second)
		if expect(t, f, decision.CertificateRevoked, false); f.Seq() != 3 || f.Entries() != 1 {
			t.Errorf("%d entries at %d", f.Entries(), f.Seq())
		}
	})
}
