package revoke

import (
	"context"
	"errors"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certbound/certbound/authz/oauth"
	"github.com/certbound/certbound/storage"
)

// counter is a feed that is at a number.
type counter struct {
	FeedRecords
	seq, asked atomic.Int64
}

func (c *counter) FeedSeq(context.Context) (int64, error) {
	c.asked.Add(1)
	return c.seq.Load(), nil
}

func newFeed(records FeedRecords) *Feed {
	closed := make(chan struct{})
	return &Feed{
		FeedConfig: FeedConfig{Records: records, Notifier: &Notifier{}},
		slots:      make(chan struct{}, maxWaiting), closed: closed, close: func() { close(closed) },
	}
}

func TestParseQuestion(t *testing.T) {
	for _, c := range []struct {
		query string
		want  question
	}{
		{"", question{}},
		{"after=&wait=", question{}},
		{"after=7&wait=25s", question{7, 25 * time.Second}},
		{"wait=30s", question{0, 30 * time.Second}},
		{"wait=1h", question{0, longestWait}},
		{"wait=100ms", question{0, 100 * time.Millisecond}},
	} {
		form, refusal := oauth.ParseQuery(httptest.NewRequest("GET", "/?"+c.query, nil))
		if refusal != nil {
			t.Fatal(refusal)
		}
		if got, refusal := parseQuestion(form); got != c.want || refusal != nil {
			t.Errorf("%q: %+v, %v", c.query, got, refusal)
		}
	}
}

// FuzzParseQuestion: whatever is asked, nobody waits longer than we allow.
func FuzzParseQuestion(f *testing.F) {
	for _, seed := range []string{"", "after=1&wait=1s", "wait=-1s", "wait=1e9h", "after=18446744073709551615", "wait=9223372036854775807ns"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.URL = &url.URL{Path: "/", RawQuery: query}
		form, refusal := oauth.ParseQuery(r)
		if refusal != nil {
			return
		}
		q, refusal := parseQuestion(form)
		if refusal == nil && (q.after < 0 || q.wait < 0 || q.wait > longestWait) {
			t.Fatalf("%q: %+v", query, q)
		}
	})
}

func TestWaitEnds(t *testing.T) {
	for name, c := range map[string]struct {
		q      question
		event  func(f *Feed, records *counter, hangUp func()) // after a second
		waited time.Duration
		err    error
	}{
		"no wait asked":       {q: question{after: 3}},
		"something new":       {q: question{2, 25 * time.Second}},
		"we went back":        {q: question{4, 25 * time.Second}},
		"nothing happens":     {q: question{3, 25 * time.Second}, waited: 25 * time.Second},
		"notified in vain":    {q: question{3, 25 * time.Second}, waited: 25 * time.Second, event: func(f *Feed, _ *counter, _ func()) { f.Notifier.Notify() }},
		"notified":            {q: question{3, 25 * time.Second}, waited: time.Second, event: func(f *Feed, c *counter, _ func()) { c.seq.Add(1); f.Notifier.Notify() }},
		"closed":              {q: question{3, 25 * time.Second}, waited: time.Second, event: func(f *Feed, _ *counter, _ func()) { f.Close() }},
		"the follower's gone": {q: question{3, 25 * time.Second}, waited: time.Second, event: func(_ *Feed, _ *counter, hangUp func()) { hangUp() }, err: context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				records := &counter{}
				records.seq.Store(3)
				f := newFeed(records)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if c.event != nil {
					time.AfterFunc(time.Second, func() { c.event(f, records, cancel) })
				}
				began := time.Now()
				waited, err := f.wait(ctx, httptest.NewRecorder(), c.q)
				if took := time.Since(began); took != c.waited || !errors.Is(err, c.err) || waited != (c.waited > 0) {
					t.Errorf("%s, %v, %v; want %s, %v", took, waited, err, c.waited, c.err)
				}
				if f.Waiting() != 0 {
					t.Error("the slot is not given back")
				}
			})
		})
	}
}

// TestWaitIsBounded: who finds all slots taken is answered at once.
func TestWaitIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed(&counter{})
		for range maxWaiting {
			go func() { _, _ = f.wait(t.Context(), httptest.NewRecorder(), question{0, time.Minute}) }()
		}
		synctest.Wait()
		if f.Waiting() != maxWaiting {
			t.Fatalf("%d wait", f.Waiting())
		}
		began := time.Now()
		waited, err := f.wait(t.Context(), httptest.NewRecorder(), question{0, time.Minute})
		if waited || err != nil || time.Since(began) != 0 {
			t.Errorf("%v, %v after %s", waited, err, time.Since(began))
		}
		f.Close()
	})
}

// TestRunAsksOnlyForThoseWhoWait: an idle server leaves its database alone, and
// any number of followers costs one question.
func TestRunAsksOnlyForThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		records := &counter{}
		f := newFeed(records)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			f.Run(ctx)
		}()
		<-time.After(10 * time.Second) // of the bubble: no time passes
		if n := records.asked.Load(); n != 0 {
			t.Errorf("asked %d times for nobody", n)
		}
		for range 3 {
			go func() { _, _ = f.wait(t.Context(), httptest.NewRecorder(), question{0, time.Minute}) }()
		}
		synctest.Wait()
		records.asked.Store(0)
		<-time.After(10 * time.Second)
		synctest.Wait()
		// Twice a second; and the first time the number is news, each of the three looks.
		if n := records.asked.Load(); n < 19 || n > 24 {
			t.Errorf("asked %d times in 10 s for three, want twice a second", n)
		}
		stop()
		<-done
	})
}

// TestBuildFromFullEntries: the database calls its entries full when some were
// pruned; whoever is behind still gets a delta.
func TestBuildFromFullEntries(t *testing.T) {
	stored := storage.Feed{Seq: 9, Full: true, Entries: []storage.FeedEntry{
		{Seq: 2, Kind: storage.FeedToken, Action: storage.FeedDeny, Subject: "old"},
		{Seq: 8, Kind: storage.FeedToken, Action: storage.FeedDeny, Subject: "new"},
	}}
	feed := build(stored, 5)
	if feed.Full || feed.After != 5 || feed.Seq != 9 || len(feed.Entries) != 1 || feed.Entries[0].Subject != "new" {
		t.Errorf("%+v", feed)
	}
}
