package revokefeed

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/resource/accesstoken"
)

// NewState returns a function that applies one delta to a state of n tokens.
func NewState(n int) func(Entry) {
	d := newDraft(nil, nil, 0)
	for i := range n {
		d.names.set(name{KindToken, fmt.Sprintf("token-%d", i)}, denial{expires: 1 << 40})
	}
	current := d.finish()
	return func(e Entry) {
		d := newDraft(current, current, 0)
		d.apply([]Entry{e})
		current = d.finish()
	}
}

// model is the state as one would write it without caring for readers.
type model map[name]denial

func (m model) apply(e Entry) {
	key := name{e.Kind, e.Subject}
	switch {
	case e.Action == ActionLift:
		delete(m, key)
	case e.Kind == KindClient:
		old := m[key]
		m[key] = denial{minGeneration: max(old.minGeneration, e.MinGeneration), expires: max(old.expires, e.Expires.Unix())}
	default:
		m[key] = denial{expires: e.Expires.Unix()}
	}
}

func (m model) prune(now int64) {
	for key, d := range m {
		if d.expires <= now {
			delete(m, key)
		}
	}
}

func (d *draft) lookUp(key name) (denial, bool) {
	if key.kind == KindCertificate {
		print, err := thumbprint.Parse(key.subject)
		if err != nil {
			panic(err)
		}
		return d.certificates.get(print, 0)
	}
	if key.kind == KindBinding {
		b, err := readBinding(key.subject)
		if err != nil {
			panic(err)
		}
		return d.bindings.get(b, 0)
	}
	return d.names.get(key, 0)
}

// TestTableIsTheModel compares the sharded table with a map through random
// changes, and sees that no table changes once it is finished.
func TestTableIsTheModel(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	subjects := map[string][]string{}
	for i := range 300 {
		text := fmt.Sprintf("s%d", i)
		for _, kind := range []string{KindClient, KindToken, KindKey} {
			subjects[kind] = append(subjects[kind], text)
		}
		subjects[KindCertificate] = append(subjects[KindCertificate], thumbprint.Thumbprint{1, byte(i), byte(i >> 8)}.String())
		subjects[KindBinding] = append(subjects[KindBinding], text+" "+thumbprint.Thumbprint{2}.String())
	}
	kinds := []string{KindClient, KindCertificate, KindBinding, KindToken, KindKey}
	want := model{}
	current := &table{}
	for round := range int64(200) {
		d := newDraft(current, current, round)
		before := current.entries()
		for range random.IntN(50) {
			e := Entry{Kind: kinds[random.IntN(len(kinds))], Action: ActionDeny, Expires: time.Unix(round+random.Int64N(100), 0)}
			e.Subject = subjects[e.Kind][random.IntN(300)]
			if e.Kind == KindClient {
				e.MinGeneration = 1 + random.Int64N(5)
			} else if random.IntN(3) == 0 {
				e.Action = ActionLift
			}
			d.apply([]Entry{e})
			want.apply(e)
		}
		if round%10 == 0 {
			d.prune(time.Unix(round, 0))
			want.prune(round)
		}
		for key, w := range want {
			if got, ok := d.lookUp(key); !ok && w.expires > 0 || got != w {
				t.Fatalf("round %d: %v is %v, want %v", round, key, got, w)
			}
		}
		if n := current.entries(); n != before {
			t.Fatalf("round %d: the table that readers see went from %d to %d entries", round, before, n)
		}
		if current = d.finish(); current.entries() != len(want) {
			t.Fatalf("round %d: %d entries, want %d", round, current.entries(), len(want))
		}
	}
}

// TestReadersWhileItChanges is for the race detector.
func TestReadersWhileItChanges(t *testing.T) {
	f := &Follower{clock: time.Now, maxStaleness: time.Hour, created: time.Now()}
	accept := func(seq int64, e Entry) {
		e.Seq, e.Expires = seq, time.Now().Add(time.Hour)
		feed := &Feed{Expiry: time.Now().Add(time.Hour), Full: seq == 1, After: seq - 1, Seq: seq, Head: seq, Entries: []Entry{e}}
		if err := f.accept(feed, time.Now()); err != nil {
			t.Error(err)
		}
	}
	accept(1, Entry{Kind: KindToken, Subject: "dead", Action: ActionDeny})
	var readers sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if reason, err := f.Check(&accesstoken.Claims{ID: "dead"}, ""); reason == "" || err != nil {
					t.Errorf("came alive: %q, %v", reason, err)
					return
				}
			}
		})
	}
	for seq := range int64(2000) {
		e := Entry{Kind: KindToken, Subject: fmt.Sprint(seq % 100), Action: ActionDeny}
		if seq%3 == 0 {
			e.Action = ActionLift
		}
		accept(seq+2, e)
	}
	close(stop)
	readers.Wait()
}

func TestBackoff(t *testing.T) {
	for failures, most := range map[int]time.Duration{
		1: 100 * time.Millisecond, 2: 200 * time.Millisecond, 5: 1600 * time.Millisecond, 6: 2 * time.Second, 1 << 30: 2 * time.Second,
	} {
		for range 100 {
			if d := backoff(failures); d < most/2 || d >= most {
				t.Fatalf("after %d failures: %v, want between %v and %v", failures, d, most/2, most)
			}
		}
	}
}

// TestTokensOfAnOldGenerationGo: when the client's generation says what single
// entries said, they are forgotten, and nothing that they denied comes back.
func TestTokensOfAnOldGenerationGo(t *testing.T) {
	now := time.Unix(1000, 0)
	token := func(jti, client string, generation, seq, expires int64) Entry {
		return Entry{Kind: KindToken, Subject: jti, Client: client, Generation: generation, Action: ActionDeny, Seq: seq, Expires: time.Unix(expires, 0)}
	}
	d := newDraft(nil, nil, 0)
	d.apply([]Entry{
		token("old", "a", 1, 1, 2000), token("new", "a", 2, 2, 2000), token("other", "b", 1, 3, 2000), token("long", "a", 1, 4, 9000),
		{Kind: KindToken, Subject: "nobody's", Action: ActionDeny, Seq: 5, Expires: time.Unix(2000, 0)},
		{Kind: KindClient, Subject: "a", MinGeneration: 2, Action: ActionDeny, Seq: 6, Expires: time.Unix(4000, 0)},
	})
	d.prune(now)
	held := d.finish()
	for jti, stays := range map[string]bool{"old": false, "new": true, "other": true, "long": true, "nobody's": true} {
		if _, there := held.names.get(name{KindToken, jti}, now.Unix()); there != stays {
			t.Errorf("%s: is there %v, want %v", jti, there, stays)
		}
	}
	for jti, generation := range map[string]int64{"old": 1, "new": 2, "long": 1} {
		if held.reason(&accesstoken.Claims{ID: jti, ClientID: "a", Generation: generation}, "kid", now.Unix()) == "" {
			t.Errorf("%s is no longer denied", jti)
		}
	}
}
