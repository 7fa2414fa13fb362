package revokefeed_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/resource/jwks"
	"github.com/certbound/certbound/resource/revokefeed"
)

// lift1 is a signed payload that would bring the dead token back to life.
func lift1(change func(*revokefeed.Feed)) []byte {
	f := &revokefeed.Feed{
		Issuer: issuerURL, IssuedAt: time.Now().Truncate(time.Second), Expiry: time.Now().Add(time.Minute).Truncate(time.Second),
		After: 1, Seq: 2, Head: 2,
		Entries: []revokefeed.Entry{{Kind: "token", Subject: "one", Action: "lift", Seq: 2, Expires: time.Now().Add(time.Hour)}},
	}
	change(f)
	payload, err := f.Marshal()
	if err != nil {
		panic(err)
	}
	return payload
}

func same(*revokefeed.Feed) {}

// TestBadAnswers: none of them changes the state or keeps it fresh, and the
// follower recovers from each.
func TestBadAnswers(t *testing.T) {
	stranger := newServer(t)
	for _, tt := range []struct {
		name   string
		answer func(s *server, w http.ResponseWriter)
		err    string
	}{
		{"another type", func(s *server, w http.ResponseWriter) { send(w, s.sign(lift1(same), "at+jwt", feedKey)) },
			"revokefeed: the answer is not signed as a feed by the issuer: typ is \"at+jwt\" instead of certbound-revocations+jwt"},
		{"no type", func(s *server, w http.ResponseWriter) { send(w, s.sign(lift1(same), "", feedKey)) },
			"revokefeed: the answer is not signed as a feed by the issuer: typ is \"\" instead of certbound-revocations+jwt"},
		{"unknown key", func(s *server, w http.ResponseWriter) { send(w, s.sign(lift1(same), revokefeed.Type, "other")) },
			"revokefeed: the answer is not signed as a feed by the issuer: no key \"other\" of the issuer verifies it"},
		{"no key", func(s *server, w http.ResponseWriter) { send(w, s.sign(lift1(same), revokefeed.Type, "")) },
			"revokefeed: the answer is not signed as a feed by the issuer: the header has other parameters than alg, kid and typ"},
		{"header parameter", func(s *server, w http.ResponseWriter) { send(w, s.sign(lift1(same), revokefeed.Type, feedKey, "jku")) },
			"revokefeed: the answer is not signed as a feed by the issuer: the header has other parameters than alg, kid and typ"},
		{"stranger's key", func(_ *server, w http.ResponseWriter) { send(w, stranger.sign(lift1(same), revokefeed.Type, feedKey)) },
			"revokefeed: the answer is not signed as a feed by the issuer: no key \"feed-1\" of the issuer verifies it"},
		{"no signature", func(s *server, w http.ResponseWriter) {
			compact := s.sign(lift1(same), revokefeed.Type, feedKey)
			send(w, compact[:strings.LastIndex(compact, ".")+1])
		}, "revokefeed: the answer is not signed as a feed by the issuer: *"},
		{"not a JWS", func(_ *server, w http.ResponseWriter) { send(w, "{}") },
			"revokefeed: the answer is not signed as a feed by the issuer: *"},
		{"not a feed", func(s *server, w http.ResponseWriter) { send(w, s.sign([]byte(`{}`), revokefeed.Type, feedKey)) },
			"revokefeed: malformed: claim iss is missing"},
		{"another issuer", func(s *server, w http.ResponseWriter) {
			send(w, s.sign(lift1(func(f *revokefeed.Feed) { f.Issuer += "/" }), revokefeed.Type, feedKey))
		}, "revokefeed: the feed is of issuer \"https://as.example/\", not of \"https://as.example\""},
		{"expired", func(s *server, w http.ResponseWriter) {
			send(w, s.sign(lift1(func(f *revokefeed.Feed) { f.IssuedAt, f.Expiry = at(946684700), at(946684760) }), revokefeed.Type, feedKey))
		}, "revokefeed: the feed expired at 1999-12-31T*"},
		{"went back", func(s *server, w http.ResponseWriter) {
			send(w, s.sign(lift1(func(f *revokefeed.Feed) {
				f.Full, f.After, f.Seq, f.Head, f.Entries = true, 0, 0, 0, nil
			}), revokefeed.Type, feedKey))
		}, "revokefeed: the feed went back from 1 to 0; it is refused"},
		{"media type", func(s *server, w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(s.sign(lift1(same), revokefeed.Type, feedKey)))
		}, "revokefeed: the answer is of type \"application/json\" instead of application/jwt"},
		{"redirect", func(_ *server, w http.ResponseWriter) {
			w.Header().Set("Location", "https://as.example/oauth2/revocations?client_id=accounts-api&after=0&wait=0s")
			w.WriteHeader(http.StatusFound)
		}, "revokefeed: the authorization server answered 302 instead of 200"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t)
				s.publish(denyToken)
				f := s.follow(t)
				synctest.Wait()
				s.lie(func(w http.ResponseWriter, r *http.Request) bool { tt.answer(s, w); return true })
				pass(5 * time.Second)
				expect(t, f, decision.TokenRevoked, false)
				err := f.LastError()
				want, open := strings.CutSuffix(tt.err, "*")
				if err == nil || err.Error() != want && (!open || !strings.HasPrefix(err.Error(), want)) {
					t.Errorf("LastError: %v\nwant %s", err, tt.err)
				}
				pass(26 * time.Second)
				expect(t, f, decision.TokenRevoked, true)
				s.lie(nil)
				pass(2 * time.Second)
				expect(t, f, decision.TokenRevoked, false)
			})
		})
	}
}

// TestBeginningsOnly: a server that begins again and again, and never comes to
// an end, is asked no more often than one that fails.
func TestBeginningsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.publish(denyToken)
		s.lie(func(w http.ResponseWriter, _ *http.Request) bool {
			f := s.feed(0)
			f.Head++
			s.answer(w, f)
			return true
		})
		f := s.follow(t)
		pass(20 * time.Second)
		expect(t, f, "", true)
		if n := len(s.questions); n > 50 || fmt.Sprint(f.LastError()) != "revokefeed: a new beginning came instead of the rest" {
			t.Errorf("%d questions, %v", n, f.LastError())
		}
		s.lie(nil)
		pass(2 * time.Second)
		expect(t, f, decision.TokenRevoked, false)
	})
}

func TestTooLargeAnswer(t *testing.T) {
	large := strings.Repeat("x", revokefeed.MaxSize+1)
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.lie(func(w http.ResponseWriter, _ *http.Request) bool { send(w, large); return true })
		f := s.follow(t)
		synctest.Wait()
		if err := f.LastError(); fmt.Sprint(err) != "revokefeed: the answer has more than 8388608 octets" {
			t.Errorf("LastError: %v", err)
		}
		expect(t, f, "", true)
	})
}

// TestRevokedFeedKey: a key that has been revoked by the feed signs no feed.
func TestRevokedFeedKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		f := s.follow(t)
		s.publish(revokefeed.Entry{Kind: revokefeed.KindKey, Subject: feedKey})
		pass(time.Second)
		s.publish(denyToken)
		pass(time.Second)
		expect(t, f, "", false)
		const want = "revokefeed: the answer is not signed as a feed by the issuer: its key \"feed-1\" has been revoked"
		if err := f.LastError(); err == nil || err.Error() != want {
			t.Errorf("LastError: %v", err)
		}
	})
}

// keysDown is a key source without keys.
type keysDown struct{}

func (keysDown) Keys(context.Context, string) ([]jose.JSONWebKey, error) {
	return nil, jwks.ErrUnavailable
}

func TestKeysUnavailable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		f := s.follow(t, func(c *revokefeed.FollowerConfig) { c.Keys = keysDown{} })
		synctest.Wait()
		expect(t, f, "", true)
		if !errors.Is(f.LastError(), jwks.ErrUnavailable) {
			t.Errorf("LastError: %v", f.LastError())
		}
	})
}

func TestNewFollowerRefuses(t *testing.T) {
	for _, tt := range []struct {
		change func(*revokefeed.FollowerConfig)
		err    string
	}{
		{func(c *revokefeed.FollowerConfig) { c.Issuer = "http://as.example" },
			"revokefeed: Issuer \"http://as.example\" is not an https URL without user, query and fragment\nrevokefeed: URL \"http://as.example/oauth2/revocations\" is not an https URL without user, query and fragment"},
		{func(c *revokefeed.FollowerConfig) { c.URL = "https://as.example/feed?x=1" }, "revokefeed: URL \"https://as.example/feed?x=1\" is not an https URL without user, query and fragment"},
		{func(c *revokefeed.FollowerConfig) { c.ClientID = "" }, "revokefeed: ClientID is required"},
		{func(c *revokefeed.FollowerConfig) { c.HTTPClient = nil }, "revokefeed: HTTPClient is required: the feed is for clients with a certificate"},
		{func(c *revokefeed.FollowerConfig) { c.Keys = nil }, "revokefeed: Keys is required"},
		{func(c *revokefeed.FollowerConfig) {
			c.Issuer = "https://other.example"
			c.Earlier, _ = revokefeed.NewFollower(*c)
			c.Issuer = issuerURL
		}, "revokefeed: Earlier follows another issuer than \"https://as.example\""},
		{func(c *revokefeed.FollowerConfig) { c.MaxStaleness = time.Millisecond }, "revokefeed: MaxStaleness 1ms is not between 1s and 1h0m0s"},
		{func(c *revokefeed.FollowerConfig) { c.MaxStaleness = 2 * time.Hour }, "revokefeed: MaxStaleness 2h0m0s is not between 1s and 1h0m0s"},
	} {
		c := newServer(t).config()
		tt.change(&c)
		if _, err := revokefeed.NewFollower(c); err == nil || err.Error() != tt.err {
			t.Errorf("got %v\nwant %s", err, tt.err)
		}
	}
}

func TestRunOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newServer(t).follow(t)
		synctest.Wait()
		if err := f.Run(t.Context()); fmt.Sprint(err) != "revokefeed: Run is running already" {
			t.Errorf("second Run: %v", err)
		}
	})
}
