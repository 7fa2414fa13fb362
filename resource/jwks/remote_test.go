package jwks_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certbound/certbound/resource/jwks"
)

func TestRemoteFetchesOnceAndKeeps(t *testing.T) {
	i := newIssuer()
	i.publish(t, "k1", "k2")
	r := i.remote(t)
	if i.fetches() != 0 {
		t.Fatal("fetched before it was asked")
	}
	for range 20 {
		expect(t, r, "k1", "found")
		expect(t, r, "k2", "found")
	}
	if i.counts[metadataURL] != 1 || i.fetches() != 1 {
		t.Errorf("fetches: %v", i.counts)
	}
}

func TestRemoteUnknownKidsDoNotStormTheIssuer(t *testing.T) {
	i := newIssuer()
	i.publish(t, "k1")
	r := i.remote(t)
	expect(t, r, "k1", "found")
	for n := range 60 {
		expect(t, r, fmt.Sprintf("../../made-up-%d", n), "none")
		i.pass(500 * time.Millisecond) // half a minute in all
	}
	if total := i.counts[metadataURL] + i.fetches(); total > 5 {
		t.Errorf("60 made-up kids cost %d fetches: %v", total, i.counts)
	}
}

func TestRemoteRemembersOneUnknownKid(t *testing.T) {
	i := newIssuer()
	i.publish(t, "k1")
	i.header.Set("Cache-Control", "max-age=3600")
	r := i.remote(t)
	expect(t, r, "k1", "found")
	i.pass(11 * time.Second)
	expect(t, r, "gone", "none")
	if i.fetches() != 2 {
		t.Fatalf("an unknown kid after the floor should look once: %d fetches", i.fetches())
	}
	for range 4 {
		i.pass(11 * time.Second)
		expect(t, r, "gone", "none")
	}
	if i.fetches() != 2 {
		t.Errorf("the same kid within a minute: %d fetches", i.fetches())
	}
	i.pass(30 * time.Second)
	expect(t, r, "gone", "none")
	if i.fetches() != 3 {
		t.Errorf("the same kid after a minute: %d fetches", i.fetches())
	}
}

func TestRemoteFindsANewKey(t *testing.T) {
	i := newIssuer()
	i.publish(t, "old")
	r := i.remote(t)
	expect(t, r, "old", "found")
	i.publish(t, "old", "new")
	expect(t, r, "new", "none") // within the floor: no second fetch yet
	i.pass(10 * time.Second)
	expect(t, r, "new", "found")
	if i.fetches() != 2 {
		t.Errorf("%d fetches", i.fetches())
	}
}

func TestRemoteDropsAWithdrawnKey(t *testing.T) {
	i := newIssuer()
	i.publish(t, "stolen")
	i.header.Set("Cache-Control", "public, max-age=60")
	r := i.remote(t)
	expect(t, r, "stolen", "found")
	i.publish(t, "fresh")
	i.pass(59 * time.Second)
	expect(t, r, "stolen", "found")
	i.pass(time.Second)
	expect(t, r, "stolen", "none")
	expect(t, r, "fresh", "found")
}

func TestRemoteMaxAgeIsBounded(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"": 5 * time.Minute, "max-age=120": 2 * time.Minute, "Max-Age=\"120\"": 2 * time.Minute,
		"max-age=0": 10 * time.Second, "no-store": 10 * time.Second, "no-cache, max-age=600": 10 * time.Second,
		"max-age=99999999": time.Hour, "max-age=999999999999999": 5 * time.Minute, "max-age=-5": 5 * time.Minute, "max-age": 5 * time.Minute,
	} {
		t.Run(header, func(t *testing.T) {
			i := newIssuer()
			i.publish(t, "k1")
			i.header.Set("Cache-Control", header)
			r := i.remote(t)
			expect(t, r, "k1", "found")
			i.pass(want - time.Second)
			expect(t, r, "k1", "found")
			if i.fetches() != 1 {
				t.Fatal("asked again too early")
			}
			i.pass(time.Second)
			expect(t, r, "k1", "found")
			if i.fetches() != 2 {
				t.Fatal("did not ask again in time")
			}
		})
	}
}

func TestRemoteKeepsLastGoodKeys(t *testing.T) {
	i := newIssuer()
	i.publish(t, "k1")
	r := i.remote(t)
	expect(t, r, "k1", "found")
	i.change(func() { i.down = true })
	for range 10 {
		i.pass(time.Hour)
		expect(t, r, "k1", "found")
	}
	expect(t, r, "made-up", "unavailable") // it may exist by now: we cannot say
	i.pass(14*time.Hour + time.Minute)
	expect(t, r, "k1", "unavailable") // a day without the issuer ends it
	i.change(func() { i.down = false })
	i.pass(11 * time.Second)
	expect(t, r, "k1", "found")
}

// TestRemoteKnownKeysDoNotWaitForASickIssuer: when an attempt has failed, later
// ones run behind the requests whose key is known.
func TestRemoteKnownKeysDoNotWaitForASickIssuer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer()
		i.publish(t, "k1")
		r := i.remote(t)
		expect(t, r, "k1", "found")
		i.change(func() { i.down = true })
		i.pass(time.Hour)
		expect(t, r, "k1", "found") // the first attempt is waited for, and fails
		gate := make(chan struct{})
		i.change(func() { i.down, i.gate = false, gate })
		i.pass(11 * time.Second)
		start := time.Now() // of the bubble: it moves only while everybody waits
		expect(t, r, "k1", "found")
		if waited := time.Since(start); waited != 0 {
			t.Errorf("waited %v for a fetch that hangs", waited)
		}
		i.publish(t, "k1", "k2")
		synctest.Wait()
		close(gate)
		synctest.Wait()
		if i.fetches() != 2 {
			t.Errorf("%d fetches", i.fetches())
		}
		i.pass(11 * time.Second)
		expect(t, r, "k2", "found")
	})
}

func TestRemoteUnavailable(t *testing.T) {
	i := newIssuer()
	i.down = true
	r := i.remote(t)
	_, err := r.Keys(context.Background(), "k1")
	const want = `jwks: the issuer's keys are not available: jwks: Get "` + metadataURL + `": connection refused`
	if err == nil || err.Error() != want || !errors.Is(err, jwks.ErrUnavailable) {
		t.Fatalf("got %v\nwant %s", err, want)
	}
	for range 50 {
		expect(t, r, "k1", "unavailable")
	}
	if i.counts[metadataURL] != 1 {
		t.Errorf("%d attempts without a pause", i.counts[metadataURL])
	}
	i.change(func() { i.down = false })
	i.publish(t, "k1")
	i.pass(time.Second)
	expect(t, r, "k1", "found")
}

func TestRemoteBacksOff(t *testing.T) {
	i := newIssuer()
	i.down = true
	r := i.remote(t)
	for range 100 {
		expect(t, r, "k1", "unavailable")
		i.pass(time.Second)
	}
	// 1, 2, 4, 8, then every 10 seconds.
	if n := i.counts[metadataURL]; n < 10 || n > 14 {
		t.Errorf("%d attempts in 100 seconds", n)
	}
}

func TestRemoteEmptySetIsUnavailable(t *testing.T) {
	i := newIssuer()
	r := i.remote(t)
	_, err := r.Keys(context.Background(), "k1")
	if want := "jwks: the issuer's keys are not available: the set holds no usable key"; err == nil || err.Error() != want {
		t.Fatalf("got %v, want %s", err, want)
	}
	expect(t, r, "k1", "unavailable")
	if i.fetches() != 1 {
		t.Errorf("%d fetches", i.fetches())
	}
}

func TestRemoteSingleFlight(t *testing.T) {
	i := newIssuer()
	i.publish(t, "k1")
	i.gate = make(chan struct{})
	r := i.remote(t)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() { expect(t, r, "k1", "found") })
	}
	close(i.gate)
	wg.Wait()
	if i.fetches() != 1 || i.counts[metadataURL] != 1 {
		t.Errorf("50 callers: %v", i.counts)
	}
}

// TestRemoteFetchOutlivesItsCaller: whoever starts a fetch may go away, and those
// who wait for it must not suffer.
func TestRemoteFetchOutlivesItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer()
		i.publish(t, "k1")
		i.gate = make(chan struct{})
		r := i.remote(t)
		ctx, cancel := context.WithCancel(context.Background())
		first := make(chan error)
		go func() {
			_, err := r.Keys(ctx, "k1")
			first <- err
		}()
		synctest.Wait()
		second := make(chan error)
		go func() {
			keys, err := r.Keys(context.Background(), "k1")
			if err == nil && len(keys) != 1 {
				err = errors.New("no key")
			}
			second <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-first; !errors.Is(err, context.Canceled) || !errors.Is(err, jwks.ErrUnavailable) {
			t.Errorf("the caller who left got %v", err)
		}
		close(i.gate)
		if err := <-second; err != nil {
			t.Errorf("the caller who stayed got %v", err)
		}
		if i.fetches() != 1 {
			t.Errorf("%d fetches", i.fetches())
		}
	})
}

// TestRemoteFetchEnds: an issuer that never answers costs five seconds and leaves
// no goroutine; synctest fails on one that stays.
func TestRemoteFetchEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newIssuer()
		i.gate = make(chan struct{})
		start := time.Now()
		_, err := i.remote(t).Keys(context.Background(), "k1")
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 5*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

func TestRemoteRefusesMetadata(t *testing.T) {
	for name, tt := range map[string]struct{ metadata, err string }{
		"another issuer":    {`{"issuer":"https://evil.example","jwks_uri":"` + keysURL + `"}`, `jwks: metadata at ` + metadataURL + ` is of issuer "https://evil.example", not of "` + issuerURL + `"`},
		"slash at the end":  {`{"issuer":"` + issuerURL + `/","jwks_uri":"` + keysURL + `"}`, `jwks: metadata at ` + metadataURL + ` is of issuer "` + issuerURL + `/", not of "` + issuerURL + `"`},
		"host in capitals":  {`{"issuer":"https://AS.example/tenant","jwks_uri":"` + keysURL + `"}`, `jwks: metadata at ` + metadataURL + ` is of issuer "https://AS.example/tenant", not of "` + issuerURL + `"`},
		"ISSUER":            {`{"ISSUER":"` + issuerURL + `","jwks_uri":"` + keysURL + `"}`, `jwks: metadata at ` + metadataURL + ` is of issuer "", not of "` + issuerURL + `"`},
		"keys in the clear": {`{"issuer":"` + issuerURL + `","jwks_uri":"http://keys.example/jwks.json"}`, `jwks: jwks_uri "http://keys.example/jwks.json" of ` + issuerURL + ` is not an https URL`},
		"keys in a file":    {`{"issuer":"` + issuerURL + `","jwks_uri":"file:///etc/passwd"}`, `jwks: jwks_uri "file:///etc/passwd" of ` + issuerURL + ` is not an https URL`},
		"no keys":           {`{"issuer":"` + issuerURL + `"}`, `jwks: jwks_uri "" of ` + issuerURL + ` is not an https URL`},
	} {
		t.Run(name, func(t *testing.T) {
			i := newIssuer()
			i.publish(t, "k1")
			i.metadata = tt.metadata
			_, err := i.remote(t).Keys(context.Background(), "k1")
			if want := "jwks: the issuer's keys are not available: " + tt.err; err == nil || err.Error() != want {
				t.Errorf("got %v\nwant %s", err, want)
			}
			if i.fetches() != 0 {
				t.Error("fetched keys all the same")
			}
		})
	}
	for _, metadata := range []string{"", "null", "[]", `{"issuer":"` + issuerURL + `","issuer":"` + issuerURL + `","jwks_uri":"` + keysURL + `"}`, "<html>"} {
		i := newIssuer()
		i.publish(t, "k1")
		i.metadata = metadata
		expect(t, i.remote(t), "k1", "unavailable")
	}
}

func TestRemoteBoundsAndRedirects(t *testing.T) {
	for name, answer := range map[string]func(*http.Request) *http.Response{
		"a body of more than 1 MiB": func(*http.Request) *http.Response {
			return respond(200, strings.Repeat(" ", 1<<20+1), http.Header{})
		},
		"a redirect": func(r *http.Request) *http.Response {
			return respond(302, "", http.Header{"Location": {"https://evil.example" + r.URL.Path}})
		},
		"a redirect to itself": func(r *http.Request) *http.Response {
			return respond(307, "", http.Header{"Location": {r.URL.String()}})
		},
		"an error": func(*http.Request) *http.Response { return respond(500, "{}", http.Header{}) },
		"no body":  func(*http.Request) *http.Response { return respond(204, "", http.Header{}) },
	} {
		t.Run(name, func(t *testing.T) {
			i := newIssuer()
			i.answer = answer
			expect(t, i.remote(t), "k1", "unavailable")
			if len(i.counts) != 1 || i.counts[metadataURL] != 1 {
				t.Errorf("asked %v", i.counts)
			}
		})
	}
}

func TestRemoteFollowsAMovedSet(t *testing.T) {
	i := newIssuer()
	i.publish(t, "k1")
	r := i.remote(t)
	expect(t, r, "k1", "found")
	const moved = "https://keys.example/v2.json"
	set := keySet(t, "k2")
	i.change(func() {
		i.answer = func(r *http.Request) *http.Response {
			switch r.URL.String() {
			case metadataURL:
				return respond(200, strings.Replace(i.metadata, keysURL, moved, 1), http.Header{})
			case moved:
				return respond(200, set, http.Header{})
			}
			return respond(410, "", http.Header{})
		}
	})
	i.pass(time.Hour) // the age of the metadata
	expect(t, r, "k2", "found")
}

func TestNewRefuses(t *testing.T) {
	for _, issuer := range []string{"", "as.example", "http://as.example", "https://", "https://u@as.example", "https://as.example?x", "https://as.example?", "https://as.example#x", "https://as.example/%zz"} {
		want := fmt.Sprintf("jwks: Issuer %q is not an https URL without user, query and fragment", issuer)
		if _, err := jwks.New(jwks.Config{Issuer: issuer}); err == nil || err.Error() != want {
			t.Errorf("%q: got %v", issuer, err)
		}
	}
}

func TestMetadataURL(t *testing.T) {
	for issuer, want := range map[string]string{
		"https://as.example":          "https://as.example/.well-known/oauth-authorization-server",
		"https://as.example/":         "https://as.example/.well-known/oauth-authorization-server",
		"https://as.example:8443/a/b": "https://as.example:8443/.well-known/oauth-authorization-server/a/b",
		"https://as.example/a%2Fb/":   "https://as.example/.well-known/oauth-authorization-server/a%2Fb",
	} {
		i := newIssuer()
		r, err := jwks.New(jwks.Config{Issuer: issuer, HTTPClient: &http.Client{Transport: i}, Clock: i.clock})
		if err != nil {
			t.Fatal(err)
		}
		expect(t, r, "k1", "unavailable")
		if i.counts[want] != 1 {
			t.Errorf("%s: asked %v, want %s", issuer, i.counts, want)
		}
	}
}
