package conformance

import (
	"encoding/json"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/certbound/certbound/conformance/internal/harness"
)

// TestOutageUnderLoad: the same with clients that never stop asking.
func TestOutageUnderLoad(t *testing.T) {
	t.Parallel()
	for _, o := range outages(t) {
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			d := o.start(t)
			acme := d.Pair(t, "acme-billing")
			over := make(chan struct{})
			var all sync.WaitGroup
			crowd := make([]*asker, 8)
			for i := range crowd {
				a := &asker{d: d, client: d.HTTPClient(t, &acme, nil), stranger: i == 0, moved: make(chan struct{}, 1)}
				crowd[i] = a
				all.Go(func() { a.run(t, over) })
			}
			stop := sync.OnceFunc(func() { close(over); all.Wait() })
			t.Cleanup(stop) // a failure below ends the test before the crowd
			for _, a := range crowd {
				a.await(t, "served", func(c counts) bool { return c.served+c.refused >= 20 })
			}
			end := sync.OnceFunc(o.begin(t, d))
			t.Cleanup(end)
			for i, a := range crowd {
				before := a.counts()
				if i == 0 {
					a.await(t, "answered in the outage", func(c counts) bool { return c.refused >= before.refused+20 })
					continue
				}
				a.await(t, "refused in the outage", func(c counts) bool { return c.unavailable > 0 })
			}
			end()
			for _, a := range crowd[1:] {
				before := a.counts()
				a.await(t, "served again", func(c counts) bool { return c.served >= before.served+20 })
			}
			stop()
			var received, revoked []string
			for _, a := range crowd {
				received, revoked = append(received, a.received...), append(revoked, a.revoked...)
			}
			expectWhole(t, d, received, revoked)
		})
	}
}

// asker asks for tokens and revokes each third. As a stranger it asks in
// another's name, and must be refused whatever the database does.
type asker struct {
	d        *harness.Dev
	client   *http.Client // keeps its connection
	stranger bool
	moved    chan struct{} // something was counted

	mu                sync.Mutex
	seen              counts
	received, revoked []string // jti
}

// counts are the answers an asker has had.
type counts struct{ served, unavailable, refused int }

func (a *asker) run(t *testing.T, over <-chan struct{}) {
	for {
		select {
		case <-over:
			return
		default:
		}
		if !a.step(t) {
			return
		}
		select {
		case a.moved <- struct{}{}:
		default:
		}
	}
}

func (a *asker) step(t *testing.T) bool {
	name := "acme-billing"
	if a.stranger {
		name = "mallory-app"
	}
	request := a.d.TokenRequest(nil, harness.TokenForm(name).Encode())
	request.Client = a.client
	response, err := a.d.Try(t, request)
	if err != nil {
		t.Errorf("asking for a token: %v", err)
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch reason := reasonOf(response); {
	case a.stranger && reason == "client_authentication_failed":
		a.seen.refused++
	case !a.stranger && response.Status == http.StatusServiceUnavailable && reason == "audit_unavailable":
		a.seen.unavailable++
	case !a.stranger && response.Status == http.StatusOK:
		a.seen.served++
		return a.take(t, response)
	default:
		t.Errorf("unexpected: %s", response)
		return false
	}
	return true
}

// take keeps the token that came, and revokes it when its turn has come.
func (a *asker) take(t *testing.T, response *harness.Response) bool {
	var answer harness.Token
	if err := json.Unmarshal(response.Body, &answer); err != nil {
		t.Error(err)
		return false
	}
	id := tokenID(t, answer.AccessToken)
	a.received = append(a.received, id)
	if len(a.received)%3 != 0 {
		return true
	}
	request := revocation(a.d, "acme-billing", answer.AccessToken)
	request.Client = a.client
	response, err := a.d.Try(t, request)
	switch {
	case err != nil:
		t.Errorf("revoking: %v", err)
		return false
	case response.Status == http.StatusOK:
		a.revoked = append(a.revoked, id)
	case reasonOf(response) != "storage_unavailable":
		t.Errorf("revoking: %s", response)
	}
	return true
}

func (a *asker) counts() counts {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.seen
}

// await waits until what a has seen is enough.
func (a *asker) await(t *testing.T, what string, enough func(counts) bool) {
	t.Helper()
	deadline := time.After(2 * patience)
	for !enough(a.counts()) {
		select {
		case <-a.moved:
		case <-deadline:
			t.Fatalf("not %s: %+v", what, a.counts())
		}
	}
}
