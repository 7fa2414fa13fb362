package tokenclient

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/certbound/certbound/keys/thumbprint"
)

const (
	// margin is how long before its end a token is no longer handed out: the
	// request has yet to travel, and no resource server has leeway for exp.
	margin = 5 * time.Second
	// pause is the least time between two questions after a failure, and between
	// a token and the next one that an API's refusal asks for.
	pause = time.Second
)

// session is the use of one certificate.
type session struct {
	client      *Client
	request     Request
	certificate *tls.Certificate
	thumbprint  thumbprint.Thumbprint
	clock       func() time.Time
	logger      *slog.Logger

	mu      sync.Mutex
	current *Token
	asked   time.Time // when current was asked for
	refresh time.Time // when to ask for the next
	end     time.Time // when current is no longer handed out
	flight  *flight   // the question under way
	nextTry time.Time // none before, after a failure
	err     error     // of the last question
}

// flight is one question; its members are set before done is closed.
type flight struct {
	done  chan struct{}
	token *Token
	err   error
}

// token returns the token at hand, or waits for the next one. In the last fifth
// of its life a token is handed out while the next one is being asked for.
func (s *session) token(ctx context.Context) (*Token, error) {
	s.mu.Lock()
	now := s.clock()
	if s.current != nil && now.Before(s.end) {
		token := s.current
		if !now.Before(s.refresh) && s.flight == nil && !now.Before(s.nextTry) {
			s.start(ctx)
		}
		s.mu.Unlock()
		return token, nil
	}
	if s.flight == nil && now.Before(s.nextTry) {
		defer s.mu.Unlock()
		return nil, s.err
	}
	if s.flight == nil {
		s.start(ctx)
	}
	f := s.flight
	s.mu.Unlock()
	select {
	case <-f.done:
		return f.token, f.err
	case <-ctx.Done():
		return nil, fmt.Errorf("tokenclient: waiting for a token: %w", ctx.Err())
	}
}

// start asks for a token, for all who wait; whoever began it may leave. The
// client's own timeout ends it.
func (s *session) start(ctx context.Context) {
	f := &flight{done: make(chan struct{})}
	s.flight = f
	asked := s.clock()
	go func() {
		f.token, f.err = s.client.Token(context.WithoutCancel(ctx), s.request)
		s.land(f, asked)
		close(f.done)
	}()
}

func (s *session) land(f *flight, asked time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flight, s.err = nil, f.err
	if f.err != nil {
		s.nextTry = s.clock().Add(pause)
		if s.current != nil {
			s.logger.Warn("token_not_refreshed", "error", f.err.Error())
		}
		return
	}
	// Counted from the question: the answer was on its way for a while.
	life := time.Duration(f.token.ExpiresIn) * time.Second
	s.current, s.asked = f.token, asked
	s.refresh, s.end = asked.Add(life*4/5), asked.Add(life-margin)
}

// refused says that an API did not take the token, and reports whether asking for
// another one makes sense: not when the token is as good as new, or an API that
// refuses everything would make the authorization server issue for every call.
func (s *session) refused(token *Token) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != token {
		return true // there is another one already, or it is under way
	}
	if s.clock().Sub(s.asked) < pause {
		return false
	}
	s.current = nil
	return true
}
