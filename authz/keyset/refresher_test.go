package keyset

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/internal/authztest"
	"github.com/certbound/certbound/keys/fetch"
	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
)

const edgeURI = "https://acme.example/jwks"

// partners is what the partners publish, by address; it answers in place of the
// network.
type partners struct {
	mu    sync.Mutex
	sets  map[string]string // no entry: 404
	calls map[string]int
	most  int // at the same time
	now   int
	hold  chan struct{} // when set, answers wait for it
}

func (p *partners) Get(ctx context.Context, r fetch.Request) ([]byte, error) {
	p.mu.Lock()
	p.calls[r.URL]++
	p.now++
	p.most = max(p.most, p.now)
	body, found := p.sets[r.URL]
	hold := p.hold
	p.mu.Unlock()
	defer func() { p.mu.Lock(); p.now--; p.mu.Unlock() }()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if !found {
		return nil, errors.New("fetch: the server answered 404 instead of 200")
	}
	return []byte(body), nil
}

func (p *partners) publish(uri, body string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if body == "" {
		delete(p.sets, uri)
		return
	}
	p.sets[uri] = body
}

func (p *partners) called(uri string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[uri]
}

type world struct {
	*authztest.World
	partners  *partners
	refresher *Refresher
	notified  atomic.Int64
	outcomes  chan Outcome
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{World: authztest.New(t), partners: &partners{sets: map[string]string{}, calls: map[string]int{}}, outcomes: make(chan Outcome, 10_000)}
	w.refresher = w.another()
	w.add("edge", edgeURI)
	return w
}

// another is a refresher on the same database, as of another instance.
func (w *world) another() *Refresher {
	w.T.Helper()
	r, err := New(Config{
		Store: w.Store, Fetcher: w.partners, Audit: w.Recorder, Notify: func() { w.notified.Add(1) },
		Clock: w.Clock, Logger: w.Logger, Observe: func(o Outcome) { w.outcomes <- o },
	})
	if err != nil {
		w.T.Fatal(err)
	}
	return r
}

func (w *world) add(id, uri string) {
	w.T.Helper()
	w.Update(func(ctx context.Context, tx storage.Tx) error {
		return tx.CreateClient(ctx, storage.Client{
			ID: id, PartnerID: "acme", Method: storage.SelfSignedTLSClientAuth, JWKSURI: uri, CreatedAt: w.Clock(),
		})
	})
}

// turn does what is due now, to the end.
func (w *world) turn() {
	w.T.Helper()
	var work sync.WaitGroup
	if _, err := w.refresher.look(w.T.Context(), &work); err != nil {
		w.T.Fatal(err)
	}
	work.Wait()
}

// later moves the clock by the interval and does what is due.
func (w *world) later() {
	w.T.Helper()
	w.Advance(DefaultInterval + DefaultInterval/5)
	w.turn()
}

func (w *world) has(id string, pairs ...keystest.Pair) {
	w.T.Helper()
	registered, err := w.Store.ClientCertificates(w.T.Context(), id)
	if err != nil {
		w.T.Fatal(err)
	}
	var got, want []string
	for _, c := range registered {
		got = append(got, c.Thumbprint.String())
	}
	for _, p := range pairs {
		want = append(want, thumbprint.Of(p.Cert).String())
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		w.T.Errorf("%s has %v, want %v", id, got, want)
	}
}

func (w *world) state(id string) storage.KeySet {
	w.T.Helper()
	k, err := w.Store.KeySet(w.T.Context(), id)
	if err != nil {
		w.T.Fatal(err)
	}
	return k
}

// told reports whether resource servers refuse edge's tokens bound to the certificate.
func (w *world) told(p keystest.Pair) bool {
	return w.denied(storage.FeedBinding, "edge "+thumbprint.Of(p.Cert).String())
}

func (w *world) denied(kind storage.FeedKind, subject string) bool {
	w.T.Helper()
	denied, err := w.Store.Denied(w.T.Context(), kind, subject, w.Clock())
	if err != nil {
		w.T.Fatal(err)
	}
	return denied
}

func (w *world) outcome() Outcome {
	w.T.Helper()
	select {
	case o := <-w.outcomes:
		return o
	default:
		w.T.Error("nothing was observed")
		return Outcome{}
	}
}

// TestLifeOfASet: read, changed, gone, back.
func TestLifeOfASet(t *testing.T) {
	w := newWorld(t)
	one, two, three := keystest.SelfSigned(t), keystest.SelfSigned(t), keystest.SelfSigned(t)
	w.partners.publish(edgeURI, document(t, one, two))
	w.turn()
	w.has("edge", one, two)
	if o := w.outcome(); o.ClientID != "edge" || o.Err != nil || o.Added != 2 || o.Removed != 0 || w.notified.Load() != 1 {
		t.Errorf("observed %+v, %d notes", o, w.notified.Load())
	}
	k := w.state("edge")
	if !k.ReadAt.Equal(w.Clock()) || k.Failures != 0 || k.Problem != "" || !k.DueAt.After(w.Clock().Add(DefaultInterval*8/10)) {
		t.Errorf("%+v", k)
	}
	w.turn() // not due
	w.later()
	if n := w.partners.called(edgeURI); n != 2 {
		t.Errorf("%d calls, want 2", n)
	}
	if o := w.outcome(); o.Added+o.Removed != 0 || w.notified.Load() != 1 {
		t.Errorf("nothing has changed: %+v, %d notes", o, w.notified.Load())
	}

	w.partners.publish(edgeURI, document(t, two, three))
	w.later()
	w.has("edge", two, three)
	if !w.told(one) || w.told(two) || w.told(three) {
		t.Errorf("resource servers refuse: %v %v %v", w.told(one), w.told(two), w.told(three))
	}
	client, err := w.Store.Client(t.Context(), "edge")
	if err != nil || client.Generation != 1 {
		t.Errorf("generation %d, %v: tokens of certificates that stay must live", client.Generation, err)
	}

	w.partners.publish(edgeURI, document(t, one))
	w.later()
	w.has("edge", one)
	if w.told(one) || !w.told(two) {
		t.Errorf("one is back: refused %v, two %v", w.told(one), w.told(two))
	}

	w.partners.publish(edgeURI, `{"keys":[]}`)
	w.later()
	w.has("edge")

	w.Flush()
	changed := w.Events(audit.KeySetChanged)
	if len(changed) != 4 || changed[0].ClientID != "edge" || changed[0].PartnerID != "acme" || changed[0].Actor != "jwks_uri" ||
		!strings.Contains(changed[0].Detail, thumbprint.Of(one.Cert).String()) {
		t.Errorf("recorded %+v", changed)
	}
}

// TestLastGoodIsKept, and a dead address is reported: once to auditors, at each try
// in the log, and in the state.
func TestLastGoodIsKept(t *testing.T) {
	w := newWorld(t)
	one := keystest.SelfSigned(t)
	w.partners.publish(edgeURI, document(t, one))
	w.turn()
	read := w.Clock()
	w.partners.publish(edgeURI, "")
	w.later()
	w.has("edge", one)
	k := w.state("edge")
	if k.Failures != 1 || k.Problem != "fetch: the server answered 404 instead of 200" || !k.ReadAt.Equal(read) {
		t.Errorf("%+v", k)
	}
	failing, err := w.Store.FailingKeySets(t.Context(), 5)
	if err != nil || len(failing) != 1 {
		t.Errorf("%v, %v", failing, err)
	}
	waits := []time.Duration{k.DueAt.Sub(w.Clock())}
	for range 6 {
		w.Advance(waits[len(waits)-1])
		w.turn()
		waits = append(waits, w.state("edge").DueAt.Sub(w.Clock()))
	}
	for i, wait := range waits {
		want := min(DefaultInterval, DefaultFloor<<i)
		if wait < want*9/10-time.Second || wait > want*11/10+time.Second || wait < DefaultFloor {
			t.Errorf("after %d failures: %s, want about %s (all: %v)", i+1, wait, want, waits)
		}
	}
	if got := strings.Count(w.Log.Text(), `"msg":"key_set_failed"`); got != 7 {
		t.Errorf("logged %d times", got)
	}
	w.partners.publish(edgeURI, "no set")
	w.later()
	if k := w.state("edge"); k.Failures != 8 || k.Problem != "keyset: not a JWK set" {
		t.Errorf("%+v", k)
	}
	w.has("edge", one)

	w.partners.publish(edgeURI, document(t, one))
	w.later()
	if k := w.state("edge"); k.Failures != 0 || k.Problem != "" {
		t.Errorf("%+v", k)
	}
	w.Flush()
	if failed, recovered := w.Events(audit.KeySetFailed), w.Events(audit.KeySetRecovered); len(failed) != 1 || len(recovered) != 1 ||
		!strings.Contains(failed[0].Detail, "404") || !strings.Contains(recovered[0].Detail, `"failures":8`) {
		t.Errorf("recorded %+v and %+v", failed, recovered)
	}
}

// TestWish: an unknown certificate makes a set due, never oftener than the floor.
func TestWish(t *testing.T) {
	w := newWorld(t)
	one := keystest.SelfSigned(t)
	w.partners.publish(edgeURI, document(t))
	w.turn()
	w.partners.publish(edgeURI, document(t, one))
	for _, step := range []struct {
		name  string
		after time.Duration
		calls int
	}{
		{"at once", 0, 1},
		{"just before the floor", DefaultFloor - time.Second, 1},
		{"at the floor", time.Second, 2},
		{"again", 0, 2},
		{"after another floor", DefaultFloor, 3},
	} {
		w.Advance(step.after)
		for range 100 {
			w.refresher.Wish("edge", thumbprint.Thumbprint{1})
			w.refresher.Wish("nobody", thumbprint.Thumbprint{1})
			w.refresher.Wish(authztest.ClientA, thumbprint.Thumbprint{1}) // has no address
		}
		w.turn()
		w.turn()
		if n := w.partners.called(edgeURI); n != step.calls {
			t.Errorf("%s: %d calls, want %d", step.name, n, step.calls)
		}
	}
	w.has("edge", one)
	for i := range 2 * maxWishes {
		w.refresher.Wish(fmt.Sprint("client-", i), thumbprint.Thumbprint{})
	}
	if n, m := len(w.refresher.wishes), len(w.refresher.shown); n > maxWishes || m > maxWishes {
		t.Errorf("%d wishes and %d certificates are kept", n, m)
	}
}

// TestOneCertificateOneClient: who publishes what belongs to another gets nothing,
// and it shows.
func TestOneCertificateOneClient(t *testing.T) {
	w := newWorld(t)
	one, two := keystest.SelfSigned(t), keystest.SelfSigned(t)
	w.partners.publish(edgeURI, document(t, one))
	w.turn()
	w.add("other", "https://other.example/jwks")
	w.partners.publish("https://other.example/jwks", document(t, one, two))
	w.turn()
	w.has("edge", one)
	w.has("other", two)
	if k := w.state("other"); k.Failures != 0 || !strings.Contains(k.Problem, "registered for another client") {
		t.Errorf("%+v", k)
	}
}

// TestRevokedStaysRevoked: publishing a certificate again does not lift what an
// administrator has revoked.
func TestRevokedStaysRevoked(t *testing.T) {
	w := newWorld(t)
	one := keystest.SelfSigned(t)
	print := thumbprint.Of(one.Cert)
	w.partners.publish(edgeURI, document(t, one))
	w.turn()
	w.Update(func(ctx context.Context, tx storage.Tx) error {
		return tx.DenyCertificate(ctx, storage.CertificateDenial{Thumbprint: print, Reason: "lost", CreatedAt: w.Clock()})
	})
	for _, set := range []string{document(t), document(t, one)} {
		w.partners.publish(edgeURI, set)
		w.later()
	}
	if !w.told(one) {
		t.Error("resource servers accept it again")
	}
}

// TestAddressChangesMeanwhile: what was read from the old one is thrown away.
func TestAddressChangesMeanwhile(t *testing.T) {
	w := newWorld(t)
	w.partners.publish(edgeURI, document(t, keystest.SelfSigned(t)))
	w.partners.hold = make(chan struct{})
	var work sync.WaitGroup
	if _, err := w.refresher.look(t.Context(), &work); err != nil {
		t.Fatal(err)
	}
	w.Update(func(ctx context.Context, tx storage.Tx) error {
		c, err := tx.Client(ctx, "edge")
		if err != nil {
			return err
		}
		c.JWKSURI = "https://new.example/jwks"
		return tx.UpdateClient(ctx, c)
	})
	close(w.partners.hold)
	work.Wait()
	w.has("edge")
	if k := w.state("edge"); k.URI != "https://new.example/jwks" || !k.ReadAt.IsZero() || k.DueAt.After(w.Clock()) {
		t.Errorf("%+v", k)
	}
}

// TestManyClients: a bounded number of calls at a time, each set once, whichever
// instance reads it.
func TestManyClients(t *testing.T) {
	w := newWorld(t)
	const clients = 300
	w.Update(func(ctx context.Context, tx storage.Tx) error {
		for i := range clients {
			id := fmt.Sprintf("client-%03d", i)
			w.partners.publish("https://"+id+".example/jwks", document(t))
			err := tx.CreateClient(ctx, storage.Client{
				ID: id, PartnerID: "acme", Method: storage.SelfSignedTLSClientAuth, JWKSURI: "https://" + id + ".example/jwks", CreatedAt: w.Clock(),
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	w.partners.hold = make(chan struct{})
	ctx, stop := context.WithCancel(t.Context())
	var instances sync.WaitGroup
	for _, r := range []*Refresher{w.refresher, w.another()} {
		instances.Go(func() { r.Run(ctx) })
	}
	close(w.partners.hold)
	for range clients + 1 {
		select {
		case <-w.outcomes:
		case <-time.After(30 * time.Second):
			t.Fatal("not all were read")
		}
	}
	stop()
	instances.Wait()
	if w.partners.most > 2*workers {
		t.Errorf("%d at the same time", w.partners.most)
	}
	for uri, n := range w.partners.calls {
		if n != 1 {
			t.Errorf("%s was called %d times", uri, n)
		}
	}
}

// TestInstanceDies: what it had begun is taken over.
func TestInstanceDies(t *testing.T) {
	w := newWorld(t)
	one := keystest.SelfSigned(t)
	w.partners.publish(edgeURI, document(t, one))
	w.partners.hold = make(chan struct{})
	ctx, die := context.WithCancel(t.Context())
	var work sync.WaitGroup
	if _, err := w.another().look(ctx, &work); err != nil {
		t.Fatal(err)
	}
	die()
	work.Wait()
	w.partners.hold = nil
	w.turn()
	w.has("edge")
	w.Advance(fetch.MaxTimeout + time.Minute)
	w.turn()
	w.has("edge", one)
}

func TestNewRefuses(t *testing.T) {
	w := newWorld(t)
	good := w.refresher.config
	for want, spoil := range map[string]func(*Config){
		"keyset: a dependency in Config is missing":                                          func(c *Config) { c.Fetcher = nil },
		"keyset: Interval 1m0s and Floor 1h0m0s: at least a second, and the floor not above": func(c *Config) { c.Interval, c.Floor = time.Minute, time.Hour },
	} {
		c := good
		spoil(&c)
		if _, err := New(c); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestShorten(t *testing.T) {
	if got := shorten(strings.Repeat("ä", maxProblem)); len(got) > maxProblem+len("…") || !strings.HasSuffix(got, "ä…") {
		t.Errorf("%d bytes, %q", len(got), got[len(got)-6:])
	}
	if got := shorten("a\xff"); got != "a\uFFFD" {
		t.Errorf("%q", got)
	}
}
