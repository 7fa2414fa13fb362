package revokefeed

import (
	"errors"
	"hash/maphash"
	"maps"
	"strings"
	"time"

	"github.com/certbound/certbound/keys/thumbprint"
)

// name is the key of everything that is denied by a string.
type name struct{ kind, subject string }

// binding is one client's use of a certificate. Others may use the same one: whoever
// registers a certificate has not shown that it is his.
type binding struct {
	client string
	print  thumbprint.Thumbprint
}

// readBinding reads the subject of an entry. A client_id has no space in it.
func readBinding(subject string) (b binding, err error) {
	client, print, _ := strings.Cut(subject, " ")
	if client == "" {
		return b, errors.New("the subject of a binding is not a client_id, a space and an x5t#S256")
	}
	b.client = client
	b.print, err = thumbprint.Parse(print)
	return b, err
}

// denial is what the table keeps of an entry.
type denial struct {
	minGeneration int64  // of a client
	expires       int64  // Unix seconds; it may be forgotten from here on
	client        string // whose token it is, "" when it is none or nobody said
	generation    int64  // of that token
}

// table is the state at one sequence number. It is never changed once it can be
// seen, so readers need no lock.
type table struct {
	names        shards[name]
	certificates shards[thumbprint.Thumbprint]
	bindings     shards[binding]
}

func (t *table) entries() int { return t.names.len() + t.certificates.len() + t.bindings.len() }

// shardCount makes a change copy a small part of the table: with 50 000 entries
// about 200, and two arrays of pointers.
const shardCount = 256

type shards[K comparable] [shardCount]map[K]denial

var seed = maphash.MakeSeed()

func shardOf[K comparable](key K) uint64 { return maphash.Comparable(seed, key) % shardCount }

// get returns the denial of key if it has not expired.
func (s *shards[K]) get(key K, now int64) (denial, bool) {
	d, ok := s[shardOf(key)][key]
	return d, ok && now < d.expires
}

func (s *shards[K]) len() int {
	n := 0
	for _, m := range s {
		n += len(m)
	}
	return n
}

// edit is a change of shards that copies each map before its first change.
type edit[K comparable] struct {
	shards[K]
	owned [shardCount]bool
}

func (e *edit[K]) writable(i uint64) map[K]denial {
	if !e.owned[i] {
		e.owned[i] = true
		if e.shards[i] = maps.Clone(e.shards[i]); e.shards[i] == nil {
			e.shards[i] = map[K]denial{}
		}
	}
	return e.shards[i]
}

func (e *edit[K]) set(key K, d denial) { e.writable(shardOf(key))[key] = d }

func (e *edit[K]) remove(key K) {
	i := shardOf(key)
	if _, ok := e.shards[i][key]; ok {
		delete(e.writable(i), key)
	}
}

// prune forgets what has expired, and copies only maps that have some of it.
func (e *edit[K]) prune(now int64) {
	for i := range e.shards {
		for key, d := range e.shards[i] {
			if d.expires <= now {
				delete(e.writable(uint64(i)), key)
			}
		}
	}
}

// draft is a table in the making: one delta, or several answers that belong
// together. It belongs to one goroutine.
type draft struct {
	names        edit[name]
	certificates edit[thumbprint.Thumbprint]
	bindings     edit[binding]
	seq          int64
	known        *table // what readers see; generations do not fall below it
}

// newDraft begins with a copy of base; nil begins with nothing.
func newDraft(base, known *table, seq int64) *draft {
	d := &draft{seq: seq, known: known}
	if base != nil {
		d.names.shards, d.certificates.shards, d.bindings.shards = base.names, base.certificates, base.bindings
	}
	return d
}

// apply takes the entries over, in their order.
func (d *draft) apply(entries []Entry) {
	for i := range entries {
		e := &entries[i]
		switch e.Kind {
		case KindCertificate:
			print, err := thumbprint.Parse(e.Subject)
			if err != nil { // Parse has read it before
				panic(err)
			}
			change(&d.certificates, print, e)
		case KindBinding:
			b, err := readBinding(e.Subject)
			if err != nil { // as above
				panic(err)
			}
			change(&d.bindings, b, e)
		case KindClient:
			d.raise(e)
		default: // a token has a client and a generation, a key has none
			change(&d.names, name{e.Kind, e.Subject}, e)
		}
	}
}

func change[K comparable](s *edit[K], key K, e *Entry) {
	if e.Action == ActionLift {
		s.remove(key)
		return
	}
	s.set(key, denial{expires: e.Expires.Unix(), client: e.Client, generation: e.Generation})
}

// raise sets a client's least generation, which never goes down whatever the
// feed says.
func (d *draft) raise(e *Entry) {
	key := name{KindClient, e.Subject}
	n := denial{minGeneration: e.MinGeneration, expires: e.Expires.Unix()}
	n.keep(d.names.shards[shardOf(key)][key])
	if d.known != nil {
		n.keep(d.known.names[shardOf(key)][key])
	}
	d.names.set(key, n)
}

func (d *denial) keep(earlier denial) {
	d.minGeneration = max(d.minGeneration, earlier.minGeneration)
	d.expires = max(d.expires, earlier.expires)
}

func (d *draft) prune(now time.Time) {
	d.names.prune(now.Unix())
	d.dropTokens(now.Unix())
	d.certificates.prune(now.Unix())
	d.bindings.prune(now.Unix())
}

// dropTokens forgets tokens that a client's least generation denies anyhow, for
// longer than they live: the authorization server has forgotten them too, so that
// one client cannot fill the tables of all.
func (d *draft) dropTokens(now int64) {
	for i := range d.names.shards {
		for key, token := range d.names.shards[i] {
			if token.client == "" {
				continue
			}
			least, known := d.names.get(name{KindClient, token.client}, now)
			if known && token.generation < least.minGeneration && token.expires <= least.expires {
				delete(d.names.writable(uint64(i)), key)
			}
		}
	}
}

// finish makes the draft a table. The draft must not be used any more.
func (d *draft) finish() *table {
	return &table{names: d.names.shards, certificates: d.certificates.shards, bindings: d.bindings.shards}
}
