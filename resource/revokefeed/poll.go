package revokefeed

import (
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/certbound/certbound/resource/decision"
)

// quick is the time for an answer that is not to be waited for. It may be the
// whole state.
const quick = 10 * time.Second

// question is what one poll asks.
type question struct {
	after int64
	wait  time.Duration
}

// ask decides what to ask. Only a follower whose state is complete and whose
// last attempt succeeded has time to wait for news: after a failure the first
// thing to know is that nothing has been missed.
func (f *Follower) ask() question {
	s := f.current.Load()
	switch {
	case f.draft != nil:
		return question{after: f.draft.seq}
	case s == nil || f.resync:
		return question{}
	case f.failures > 0 || s.good.IsZero():
		return question{after: s.seq}
	}
	return question{after: s.seq, wait: f.wait}
}

// timeout leaves half of what remains until the state is stale for another
// attempt, should the connection be dead.
func (f *Follower) timeout(q question) time.Duration {
	if q.wait == 0 {
		return quick
	}
	return q.wait + (f.maxStaleness-q.wait)/2
}

// poll is one question and its answer.
func (f *Follower) poll(ctx context.Context) error {
	q := f.ask()
	ctx, cancel := context.WithTimeout(ctx, f.timeout(q))
	defer cancel()
	compact, received, err := f.get(ctx, q)
	if err != nil {
		return err
	}
	payload, err := f.verify(ctx, compact)
	if err != nil {
		return err
	}
	feed, err := Parse(payload)
	if err != nil {
		return err
	}
	return f.accept(feed, received)
}

// get fetches the feed, and says when its answer began: what has been revoked
// while the rest of it came is not in it.
func (f *Follower) get(ctx context.Context, q question) (string, time.Time, error) {
	query := url.Values{"client_id": {f.clientID}, "after": {strconv.FormatInt(q.after, 10)}, "wait": {q.wait.String()}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url+"?"+query.Encode(), nil)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("revokefeed: %w", err)
	}
	req.Header.Set("Accept", ContentType)
	resp, err := f.client.Do(req)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("revokefeed: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // nothing is lost by a failing close
	received := f.clock()
	if resp.StatusCode != http.StatusOK { // a redirect too
		return "", time.Time{}, fmt.Errorf("revokefeed: the authorization server %s", decision.Unwanted(resp))
	}
	if media, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err != nil || media != ContentType {
		return "", time.Time{}, fmt.Errorf("revokefeed: the answer is of type %q instead of %s", resp.Header.Get("Content-Type"), ContentType)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, MaxSize+1))
	switch {
	case err != nil:
		return "", time.Time{}, fmt.Errorf("revokefeed: reading the answer: %w", err)
	case len(body) > MaxSize:
		return "", time.Time{}, fmt.Errorf("revokefeed: the answer has more than %d octets", MaxSize)
	}
	return string(body), received, nil
}
