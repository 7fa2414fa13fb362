package revokefeed_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/resource/accesstoken"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/resource/revokefeed"
)

func claims(t testing.TB) *accesstoken.Claims {
	t.Helper()
	print, err := thumbprint.Parse(print43)
	if err != nil {
		t.Fatal(err)
	}
	return &accesstoken.Claims{ClientID: "acme-billing", ID: "one", Generation: 3, Thumbprint: print}
}

// expect wants Check to say reason about the test's token, and to be sure of it
// unless stale.
func expect(t *testing.T, f *revokefeed.Follower, reason decision.Reason, stale bool) {
	t.Helper()
	got, err := f.Check(claims(t), "k1")
	if got != reason || errors.Is(err, revokefeed.ErrStale) != stale || (err != nil) != stale {
		t.Errorf("Check: %q, %v; want %q, stale %v", got, err, reason, stale)
	}
	if (f.Ready() != nil) != stale {
		t.Errorf("Ready: %v; want stale %v", f.Ready(), stale)
	}
}

// pass lets fake time pass, and everybody come to rest.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

var (
	denyCertificate = revokefeed.Entry{Kind: revokefeed.KindCertificate, Subject: print43}
	denyBinding     = revokefeed.Entry{Kind: revokefeed.KindBinding, Subject: "acme-billing " + print43}
	denyToken       = revokefeed.Entry{Kind: revokefeed.KindToken, Subject: "one"}
	denyKey         = revokefeed.Entry{Kind: revokefeed.KindKey, Subject: "k1"}
	bystander       = revokefeed.Entry{Kind: revokefeed.KindToken, Subject: "another"}
)

func generation(least int64) revokefeed.Entry {
	return revokefeed.Entry{Kind: revokefeed.KindClient, Subject: "acme-billing", MinGeneration: least}
}

func lift(e revokefeed.Entry) revokefeed.Entry {
	e.Action = revokefeed.ActionLift
	return e
}

// TestEntries: each kind kills what it names, and a lift takes back what can be
// taken back.
func TestEntries(t *testing.T) {
	for _, tt := range []struct {
		name    string
		entries []revokefeed.Entry
		want    decision.Reason
	}{
		{"nothing", nil, ""},
		{"another token", []revokefeed.Entry{bystander}, ""},
		{"certificate", []revokefeed.Entry{denyCertificate}, decision.CertificateRevoked},
		{"the client's certificate", []revokefeed.Entry{denyBinding}, decision.CertificateRevoked},
		{"another client's certificate", []revokefeed.Entry{{Kind: revokefeed.KindBinding, Subject: "mallory " + print43}}, ""},
		{"another client got it back", []revokefeed.Entry{denyBinding, lift(revokefeed.Entry{Kind: revokefeed.KindBinding, Subject: "mallory " + print43})}, decision.CertificateRevoked},
		{"the client got it back", []revokefeed.Entry{denyBinding, lift(denyBinding)}, ""},
		{"token", []revokefeed.Entry{denyToken}, decision.TokenRevoked},
		{"key", []revokefeed.Entry{denyKey}, decision.TokenRevoked},
		{"a later generation", []revokefeed.Entry{generation(4)}, decision.ClientDisabled},
		{"its own generation", []revokefeed.Entry{generation(3)}, ""},
		{"a generation that goes down", []revokefeed.Entry{generation(4), generation(2)}, decision.ClientDisabled},
		{"a kid that looks like the jti", []revokefeed.Entry{{Kind: revokefeed.KindKey, Subject: "one"}}, ""},
		{"a jti that looks like the kid", []revokefeed.Entry{{Kind: revokefeed.KindToken, Subject: "k1"}}, ""},
		{"certificate and generation", []revokefeed.Entry{generation(4), denyCertificate}, decision.CertificateRevoked},
		{"lifted", []revokefeed.Entry{denyCertificate, denyToken, denyKey, lift(denyKey), lift(denyToken), lift(denyCertificate)}, ""},
		{"lifted and denied again", []revokefeed.Entry{denyToken, lift(denyToken), denyToken}, decision.TokenRevoked},
		{"the lift of another", []revokefeed.Entry{denyToken, lift(bystander)}, decision.TokenRevoked},
	} {
		t.Run("in one full feed: "+tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t)
				s.publish(tt.entries...)
				f := s.follow(t)
				synctest.Wait()
				expect(t, f, tt.want, false)
			})
		})
		t.Run("one delta each: "+tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t)
				f := s.follow(t)
				synctest.Wait()
				expect(t, f, "", false)
				for _, e := range tt.entries {
					s.publish(e)
					pass(time.Second) // the bound of the issue
				}
				expect(t, f, tt.want, false)
				if f.Seq() != int64(len(tt.entries)) {
					t.Errorf("at %d after %d entries", f.Seq(), len(tt.entries))
				}
			})
		})
	}
}

// TestDeltaAfterDelta: nothing falls out of the state because something else
// comes in.
func TestDeltaAfterDelta(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.publish(denyToken)
		f := s.follow(t)
		for range 100 {
			pass(time.Second)
			s.publish(revokefeed.Entry{Kind: revokefeed.KindToken, Subject: time.Now().String()}, lift(bystander))
		}
		pass(time.Second)
		expect(t, f, decision.TokenRevoked, false)
		if f.Entries() != 101 || f.Seq() != 201 {
			t.Errorf("%d entries at %d", f.Entries(), f.Seq())
		}
	})
}

// TestEntriesExpire: what no living token can be touched by leaves the memory.
func TestEntriesExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		soon := denyToken
		soon.Expires = time.Now().Add(90 * time.Second)
		later := denyCertificate
		later.Expires = time.Now().Add(10 * time.Minute)
		s.publish(soon, later)
		f := s.follow(t)
		pass(89 * time.Second)
		if expect(t, f, decision.CertificateRevoked, false); f.Entries() != 2 {
			t.Errorf("%d entries before the first expires", f.Entries())
		}
		pass(91 * time.Second)
		if expect(t, f, decision.CertificateRevoked, false); f.Entries() != 1 {
			t.Errorf("%d entries after the first has expired", f.Entries())
		}
		pass(421 * time.Second) // ten minutes in all, and the second not swept yet
		expect(t, f, "", false)
		pass(2 * time.Minute)
		if f.Entries() != 0 {
			t.Errorf("%d entries at the end", f.Entries())
		}
	})
}

// TestQuestions: what the follower asks, and how often.
func TestQuestions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		f := s.follow(t)
		pass(30 * time.Second)
		s.publish(denyToken, bystander)
		pass(30 * time.Second)
		for _, want := range []string{"0 0s", "0 25s", "0 25s", "2 25s", "2 25s"} {
			if got := <-s.questions; got != want {
				t.Errorf("asked %q, want %q", got, want)
			}
		}
		if len(s.questions) != 0 || f.LastError() != nil {
			t.Errorf("%d further questions, %v", len(s.questions), f.LastError())
		}
	})
}

// TestServerThatDoesNotWait is asked ten times a second and no more.
func TestServerThatDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.publish(denyToken)
		s.lie(func(w http.ResponseWriter, _ *http.Request) bool {
			s.answer(w, s.feed(0))
			return true
		})
		f := s.follow(t)
		pass(10 * time.Second)
		expect(t, f, decision.TokenRevoked, false)
		if n := len(s.questions); n < 95 || n > 105 {
			t.Errorf("%d questions in 10 s", n)
		}
	})
}

// TestWholeBeforeShown: a state that comes in parts replaces the old one when
// its last part is there, and not before.
func TestWholeBeforeShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.publish(denyToken, generation(9))
		f := s.follow(t)
		synctest.Wait()
		entries := append(s.entries, revokefeed.Entry{Kind: "token", Subject: "x", Action: "deny", Seq: 3, Expires: time.Now().Add(time.Hour)})
		parts := []*revokefeed.Feed{
			{Full: true, Seq: 1, Head: 3, Entries: []revokefeed.Entry{entries[0]}},
			{After: 1, Seq: 2, Head: 3, Entries: []revokefeed.Entry{entries[1]}},
			{After: 2, Seq: 3, Head: 3, Entries: []revokefeed.Entry{entries[2]}},
		}
		asked := []string{}
		s.lie(func(w http.ResponseWriter, r *http.Request) bool {
			if len(parts) == 0 {
				return false
			}
			asked = append(asked, r.URL.Query().Get("after")+" "+r.URL.Query().Get("wait"))
			if expect(t, f, decision.TokenRevoked, false); f.Seq() != 2 {
				t.Errorf("shown at %d while parts are on the way", f.Seq())
			}
			s.answer(w, parts[0])
			parts = parts[1:]
			return true
		})
		s.change(func() { s.seq, s.entries = 3, entries })
		pass(time.Second)
		if got := strings.Join(asked, ", "); got != "2 25s, 1 0s, 2 0s" {
			t.Errorf("asked %s", got)
		}
		expect(t, f, decision.TokenRevoked, false)
		if f.Seq() != 3 || f.Entries() != 3 {
			t.Errorf("%d entries at %d", f.Entries(), f.Seq())
		}
	})
}

// TestManyEntries fetches a state that needs several feeds.
func TestManyEntries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		many := make([]revokefeed.Entry, 30_000)
		for i := range many {
			many[i] = revokefeed.Entry{Kind: revokefeed.KindToken, Subject: strings.Repeat("x", 60) + time.Duration(i).String()}
		}
		s.publish(denyToken)
		s.publish(many...)
		f := s.follow(t)
		synctest.Wait()
		expect(t, f, decision.TokenRevoked, false)
		if f.Entries() != 30_001 || len(s.questions) != 2 {
			t.Errorf("%d entries after %d questions", f.Entries(), len(s.questions))
		}
	})
}

// TestRollback: a server that has forgotten what it said is refused, loudly, and
// nothing that was dead comes alive.
func TestRollback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.publish(bystander, denyToken)
		var log bytes.Buffer
		f := s.follow(t, func(c *revokefeed.FollowerConfig) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		synctest.Wait()
		s.change(func() { s.seq, s.entries = 1, s.entries[:1] })
		pass(29 * time.Second)
		expect(t, f, decision.TokenRevoked, false)
		if !errors.Is(f.LastError(), revokefeed.ErrRollback) || f.LastError().Error() != "revokefeed: the feed went back from 2 to 1; it is refused" {
			t.Errorf("LastError: %v", f.LastError())
		}
		pass(2 * time.Second)
		expect(t, f, decision.TokenRevoked, true)
		if !strings.Contains(log.String(), "level=ERROR msg=revocations_poll_failed") {
			t.Errorf("logged:\n%s", log.String())
		}
	})
}

// TestCaughtUpAfterRollback: when the server is as far as it was, by other entries,
// the follower has both those and what the server has forgotten.
func TestCaughtUpAfterRollback(t *testing.T) {
	for name, more := range map[string][]revokefeed.Entry{
		"at the same number": {denyCertificate},
		"beyond it":          {denyCertificate, bystander},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t)
				s.publish(bystander, denyToken)
				f := s.follow(t)
				synctest.Wait()
				s.change(func() { s.seq, s.entries = 1, s.entries[:1] })
				pass(time.Minute)
				expect(t, f, decision.TokenRevoked, true)
				s.publish(more...)
				pass(3 * time.Second)
				expect(t, f, decision.CertificateRevoked, false)
				other := claims(t)
				other.Thumbprint = thumbprint.Thumbprint{1}
				if reason, err := f.Check(other, "k1"); reason != decision.TokenRevoked || err != nil {
					t.Errorf("what the server has forgotten: %q, %v", reason, err)
				}
				// From then on it is a server like any other: what it lifts is lifted.
				s.publish(lift(denyCertificate), lift(denyToken))
				pass(time.Second)
				expect(t, f, "", false)
			})
		})
	}
}

// TestSuccessorForgetsNothing: a follower that takes another's place serves nobody
// before it is answered, and then knows what the server has forgotten meanwhile:
// before it has gone back, while it is behind, and when it has caught up.
func TestSuccessorForgetsNothing(t *testing.T) {
	forget := func(s *server) { s.change(func() { s.seq, s.entries = 1, s.entries[:1] }) }
	for name, steps := range map[string]struct{ before, between func(s *server) }{
		"an honest server": {func(*server) {}, func(*server) {}},
		"behind":           {func(s *server) { forget(s); pass(time.Minute) }, func(s *server) { s.publish(bystander) }},
		"caught up":        {func(s *server) { forget(s); pass(time.Minute); s.publish(bystander, bystander); pass(3 * time.Second) }, func(*server) {}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t)
				s.publish(bystander, denyToken)
				earlier := s.follow(t)
				synctest.Wait()
				steps.before(s)
				s.lie(func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(http.StatusForbidden); return true })
				f := s.follow(t, func(c *revokefeed.FollowerConfig) { c.Earlier = earlier })
				synctest.Wait()
				expect(t, f, decision.TokenRevoked, true)
				s.lie(nil)
				steps.between(s)
				pass(3 * time.Second)
				expect(t, f, decision.TokenRevoked, false)
				s.publish(lift(denyToken)) // it is a follower like any other
				pass(time.Second)
				expect(t, f, "", false)
			})
		})
	}
}

// TestGenerationsStayUp: not even a full feed lowers one.
func TestGenerationsStayUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.publish(generation(4))
		f := s.follow(t)
		synctest.Wait()
		s.lie(func(w http.ResponseWriter, _ *http.Request) bool { s.answer(w, s.feed(0)); return true })
		s.change(func() { s.entries = nil })
		s.publish(generation(2))
		pass(time.Second)
		if expect(t, f, decision.ClientDisabled, false); f.Seq() != 2 {
			t.Errorf("at %d", f.Seq())
		}
	})
}

// TestFullReplaces: what a full feed does not have is no longer.
func TestFullReplaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.publish(denyToken, bystander)
		f := s.follow(t)
		synctest.Wait()
		s.lie(func(w http.ResponseWriter, _ *http.Request) bool { s.answer(w, s.feed(0)); return true })
		s.change(func() { s.entries, s.seq = nil, 9 })
		pass(time.Second)
		expect(t, f, "", false)
		if f.Entries() != 0 || f.Seq() != 9 {
			t.Errorf("%d entries at %d", f.Entries(), f.Seq())
		}
	})
}

// TestGap: a delta from somewhere else is not applied; the follower asks for
// everything instead.
func TestGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.publish(bystander)
		f := s.follow(t)
		synctest.Wait()
		for range 2 {
			<-s.questions
		}
		s.lie(func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Query().Get("after") == "0" {
				return false
			}
			s.answer(w, &revokefeed.Feed{After: 2, Seq: 3, Head: 3, Entries: []revokefeed.Entry{{
				Kind: "token", Subject: "made up", Action: "deny", Seq: 3, Expires: time.Now().Add(time.Hour)}}})
			return true
		})
		synctest.Wait()
		if err := f.LastError(); err == nil || err.Error() != "revokefeed: a delta from 2 does not continue what is known" {
			t.Errorf("LastError: %v", err)
		}
		s.lie(func(w http.ResponseWriter, r *http.Request) bool { return false })
		s.publish(denyToken)
		pass(time.Second)
		expect(t, f, decision.TokenRevoked, false)
		if got := <-s.questions; got != "0 0s" {
			t.Errorf("after the gap it asked %q", got)
		}
	})
}
