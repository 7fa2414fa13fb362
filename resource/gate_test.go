package resource_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/accesstoken"
	"github.com/certbound/certbound/resource/decision"
)

// slowIssuer knows the tokens that begin with good, has 64 places as package
// introspection has, and answers when it is let go.
type slowIssuer struct {
	claims *accesstoken.Claims
	places chan struct{}
	answer chan struct{} // closed: at once

	mu    sync.Mutex
	asked []string
}

func newSlowIssuer() *slowIssuer {
	return &slowIssuer{places: make(chan struct{}, 64), answer: make(chan struct{})}
}

func (s *slowIssuer) Introspect(_ context.Context, token string) (*accesstoken.Claims, bool, error) {
	select {
	case s.places <- struct{}{}:
		defer func() { <-s.places }()
	default:
		return nil, false, fmt.Errorf("busy")
	}
	s.mu.Lock()
	s.asked = append(s.asked, token)
	s.mu.Unlock()
	if !strings.HasPrefix(token, "good") {
		<-s.answer
		return nil, false, nil
	}
	return s.claims, true, nil
}

func (s *slowIssuer) questions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.asked)
}

const goodOpaque = "good-token-of-acme-0123456789"

func junkToken(i int) string { return fmt.Sprintf("junk-token-of-nobody-%08d", i) }

func opaqueBench(t *testing.T, issuer *slowIssuer) *bench {
	t.Helper()
	b := newBench(t, func(c *resource.Config) { c.Introspection, c.AcceptOpaque = issuer, true })
	issuer.claims = b.answer(b.acme)
	return b
}

// TestJunkLeavesPlacesToOthers: strangers with certificates of their own making have
// a slow issuer asked about junk. Who has shown a good token is served all the same,
// and a single certificate does not even take the strangers' share.
func TestJunkLeavesPlacesToOthers(t *testing.T) {
	issuer := newSlowIssuer()
	b := opaqueBench(t, issuer)
	serve := func() error {
		_, err := b.verifier.VerifyRequest(request(goodOpaque, &b.acme), "accounts:read")
		return err
	}
	if err := serve(); err != nil {
		t.Fatal(err)
	}
	ca := keystest.NewCA(t, "anybody's")
	strangers := make([]keystest.Pair, 20)
	for i := range strangers {
		strangers[i] = ca.Client(t, keystest.DNS(fmt.Sprintf("s%d.test", i)))
	}
	synctest.Test(t, func(t *testing.T) {
		issuer.answer = make(chan struct{})
		flood := func(pair *keystest.Pair, from, n int) {
			for i := range n {
				go func() { _, _ = b.verifier.VerifyRequest(request(junkToken(from+i), pair)) }()
			}
		}
		flood(&strangers[0], 0, 100)
		synctest.Wait()
		if n := issuer.questions() - 1; n != 4 {
			t.Errorf("one stranger has %d questions under way, want 4", n)
		}
		for i := range strangers {
			flood(&strangers[i], 1000*(i+1), 100)
		}
		synctest.Wait()
		if n := len(issuer.places); n != 32 {
			t.Errorf("strangers have %d questions under way, want 32", n)
		}
		if err := serve(); err != nil {
			t.Errorf("the known caller is not served: %v", err)
		}
		// One more stranger is told to come back, and is not believed.
		_, err := b.verifier.VerifyRequest(request(goodOpaque, &b.mallory))
		if got := reason(t, err); got != decision.IntrospectionUnavailable {
			t.Errorf("a stranger too many: %q", got)
		}
		close(issuer.answer)
		synctest.Wait()
		if n := len(issuer.places); n != 0 {
			t.Errorf("%d places are still taken", n)
		}
	})
}

// TestJunkIsNotAskedAboutAgain: the same dead token costs one question, many of them
// close a stranger's certificate for a while, and neither speaks for any token.
func TestJunkIsNotAskedAboutAgain(t *testing.T) {
	issuer := newSlowIssuer()
	close(issuer.answer)
	b := opaqueBench(t, issuer)
	verify := func(token string, pair *keystest.Pair) decision.Reason {
		t.Helper()
		_, err := b.verifier.VerifyRequest(request(token, pair))
		return reason(t, err)
	}
	for range 10 {
		if got := verify(junkToken(0), &b.mallory); got != decision.TokenInactive {
			t.Fatalf("got %q", got)
		}
	}
	if n := issuer.questions(); n != 1 {
		t.Errorf("%d questions about one dead token", n)
	}
	b.now = b.now.Add(6 * time.Second)
	verify(junkToken(0), &b.mallory)
	if n := issuer.questions(); n != 2 {
		t.Errorf("%d questions, want another one after a while", n)
	}
	for i := range 20 {
		verify(junkToken(i+1), &b.mallory)
	}
	if n := issuer.questions(); n != 8 {
		t.Errorf("%d questions about the junk of one certificate in a minute, want 8", n)
	}
	if got := verify(junkToken(99), &b.mallory); got != decision.IntrospectionUnavailable {
		t.Errorf("got %q", got)
	}
	b.now = b.now.Add(time.Minute)
	if got := verify(junkToken(99), &b.mallory); got != decision.TokenInactive {
		t.Errorf("after a minute: %q", got)
	}
	issuer.claims = b.answer(b.acme)
	// A known caller is not closed out by dead tokens, and is asked about each time.
	for i := range 12 {
		if got := verify(goodOpaque, &b.acme); got != "" {
			t.Fatalf("the good token: %q", got)
		}
		verify(junkToken(200+i), &b.acme)
	}
	before := issuer.questions()
	verify(goodOpaque, &b.acme)
	if issuer.questions() != before+1 {
		t.Error("a good token was not asked about")
	}
}

// broken is an issuer that panics until it is mended.
type broken struct {
	*slowIssuer
	mended bool
}

func (b *broken) Introspect(ctx context.Context, token string) (*accesstoken.Claims, bool, error) {
	if !b.mended {
		panic("broken")
	}
	return b.slowIssuer.Introspect(ctx, token)
}

// TestPanicKeepsNoPlace: net/http lets the next request come, and it is asked about.
func TestPanicKeepsNoPlace(t *testing.T) {
	issuer := &broken{slowIssuer: newSlowIssuer()}
	b := newBench(t, func(c *resource.Config) { c.Introspection, c.AcceptOpaque = issuer, true })
	issuer.claims = b.answer(b.acme)
	for range 200 {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the issuer was not asked")
				}
			}()
			_, _ = b.verifier.VerifyRequest(request(goodOpaque, &b.acme))
		}()
	}
	issuer.mended = true
	if _, err := b.verifier.VerifyRequest(request(goodOpaque, &b.acme)); err != nil {
		t.Error(err)
	}
}
