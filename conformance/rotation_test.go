package conformance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/certbound/certbound/conformance/clause"
	"github.com/certbound/certbound/conformance/internal/harness"
)

// rotations is how many keys the load goes through; .ci/soak asks for more. Each
// takes the half minute that a key is published before it signs.
func rotations(t *testing.T) int {
	text := os.Getenv("CERTBOUND_ROTATIONS")
	if text == "" {
		return 2
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("CERTBOUND_ROTATIONS is %q", text)
	}
	return n
}

// keyCacheTime is the least that may be configured, to have the test end.
const keyCacheTime = 10 * time.Second

// keyLoad gets tokens and calls the API with them, all the time.
type keyLoad struct {
	d *harness.Dev

	mu     sync.Mutex
	tokens []string // one of each key
	kids   []string
	calls  int
	faults []string

	// What a resource server knows that keeps the keys for as long as it may and
	// never asks because of a kid that it does not know.
	known   []string
	fetched time.Time

	done chan struct{}
	work sync.WaitGroup
}

func startKeyLoad(t *testing.T, d *harness.Dev) *keyLoad {
	l := &keyLoad{d: d, done: make(chan struct{})}
	for _, id := range []string{"acme-billing", "acme-edge", "globex-app"} {
		c := newCaller(t, d, id)
		l.work.Go(func() {
			tick := time.NewTicker(20 * time.Millisecond) // half a minute for each key is long: others test beside us
			defer tick.Stop()
			for {
				select {
				case <-l.done:
					return
				case <-tick.C:
					l.round(t, c, id)
				}
			}
		})
	}
	return l
}

func (l *keyLoad) stop() {
	close(l.done)
	l.work.Wait()
}

func (l *keyLoad) fault(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = append(l.faults, fmt.Sprintf(format, args...))
}

// round is a token and two calls: with it, and with the one before.
func (l *keyLoad) round(t *testing.T, c *caller, id string) {
	request := l.d.TokenRequest(nil, harness.TokenForm(id).Encode())
	request.Client = c.client
	response, err := l.d.Try(t, request)
	if err != nil || response.Status != http.StatusOK {
		l.fault("token for %s: %v %v", id, response, err)
		return
	}
	var answer harness.Token
	if err := json.Unmarshal(response.Body, &answer); err != nil {
		l.fault("token for %s: %v", id, err)
		return
	}
	l.note(t, answer.AccessToken)
	for _, token := range []string{answer.AccessToken, c.token} {
		request := l.d.APIRequest(nil, token)
		request.Client = c.client
		response, err := l.d.Try(t, request)
		if err != nil || response.Status != http.StatusOK {
			l.fault("call of %s: %v %v", id, response, err)
		}
	}
	c.token = answer.AccessToken
}

// note remembers a token of each key, and asks whether the key was known to those
// who had to know it.
func (l *keyLoad) note(t *testing.T, token string) {
	kid := signedWith(t, token)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls++
	if time.Since(l.fetched) >= keyCacheTime {
		l.known, l.fetched = publishedKeys(t, l.d), time.Now()
	}
	if !slices.Contains(l.known, kid) {
		l.faults = append(l.faults, "the key "+kid+" signs, and somebody who keeps the keys for the time allowed does not know it")
	}
	if !slices.Contains(l.kids, kid) {
		l.kids, l.tokens = append(l.kids, kid), append(l.tokens, token)
	}
}

func (l *keyLoad) keysSeen() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.kids)
}

// TestNoGoodTokenIsRefusedWhileKeysRotate: neither by a proxy that has the keys in
// its cache nor by one that has just started, whichever key signed the token.
func TestNoGoodTokenIsRefusedWhileKeysRotate(t *testing.T) {
	t.Parallel()
	clause.Covers(t, "CERTBOUND-13")
	d := harness.Start(t, "--jwks-max-age", keyCacheTime.String())
	l := startKeyLoad(t, d)
	stop := sync.OnceFunc(l.stop)
	defer stop()
	for rotation := range rotations(t) {
		var asked struct{ Rotated bool }
		if text := mustAdmin(t, d, "key", "rotate", "-o", "json"); json.Unmarshal([]byte(text), &asked) != nil {
			t.Fatalf("rotate says %s", text)
		}
		deadline := time.After(2 * time.Minute)
		tick := time.NewTicker(100 * time.Millisecond)
		for l.keysSeen() < rotation+2 {
			select {
			case <-tick.C:
			case <-deadline:
				t.Fatalf("no token of a new key; rotated at once: %v; keys %+v", asked.Rotated, listKeys(t, d))
			}
		}
		tick.Stop()
		fresh := d.StartProxy(t)
		l.mu.Lock()
		tokens := slices.Clone(l.tokens)
		l.mu.Unlock()
		for i, token := range tokens {
			_, claims := issued(t, token)
			// Many keys take longer than a token lives.
			if expiry, _ := claims["exp"].(float64); time.Until(time.Unix(int64(expiry), 0)) < patience {
				continue
			}
			id, _ := claims["client_id"].(string)
			pair := d.Pair(t, id)
			if response := fresh.CallAPI(t, &pair, token); response.Status != http.StatusOK {
				t.Errorf("rotation %d, a proxy that has just started, a token of key %d: %s", rotation, i, response)
			}
		}
	}
	stop()
	t.Logf("%d tokens of %d keys", l.calls, len(l.kids))
	if len(l.faults) > 0 {
		t.Errorf("%d faults in %d tokens, the first: %s", len(l.faults), l.calls, l.faults[0])
	}
}
