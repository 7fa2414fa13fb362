package keys

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"
)

// simulation is several instances on one store and several resource servers, each
// as badly off as the timing argument of docs/keys.md allows: clocks differ by
// clockError, instances read as late as they may, answers take as long as they
// may, and resource servers keep a set for the whole cache time and ask for
// nothing meanwhile.
type simulation struct {
	t         *testing.T
	dice      *rand.Rand
	store     *memory
	now       time.Time // the true time
	instances []*instance
	servers   []*server
	tokens    []issued
	lifetime  time.Duration
	rotations int
}

type instance struct {
	ring  *Ring
	ahead time.Duration
}

// server is a resource server's cache.
type server struct {
	kids  map[string]bool
	until time.Time
}

type issued struct {
	kid     string
	expires time.Time
}

func newSimulation(t *testing.T, seed uint64, lifetime time.Duration) *simulation {
	s := &simulation{t: t, dice: rand.New(rand.NewPCG(seed, seed)), store: &memory{}, now: start, lifetime: lifetime}
	seals := sealer(t, kek("k1", 1))
	for i := range 3 {
		in := &instance{ahead: time.Duration(i-1) * clockError / 2}
		in.ring = open(t, Config{
			Store: s.store, Sealer: seals, Clock: func() time.Time { return s.now.Add(in.ahead) },
			Policy: Policy{CacheTime: time.Minute, Lifetime: lifetime},
		})
		in.ring.Settled()
		s.instances = append(s.instances, in)
	}
	for range 30 {
		s.servers = append(s.servers, &server{})
	}
	return s
}

func (s *simulation) any() *instance { return s.instances[s.dice.IntN(len(s.instances))] }

// step lets some time pass, and then everybody do something, or not.
func (s *simulation) step() {
	s.now = s.now.Add(time.Duration(s.dice.IntN(3000)) * time.Millisecond)
	if s.dice.IntN(2) == 0 {
		s.tend(s.any())
	}
	s.issue(s.any())
	for _, server := range s.servers {
		if s.dice.IntN(3) == 0 {
			s.verify(server)
		}
	}
}

// tend does what is due, and always asks for another rotation: each key signs as
// early as it may.
func (s *simulation) tend(in *instance) {
	ctx := context.Background()
	spares, err := in.ring.Spare(ES256)
	if err != nil {
		s.t.Fatal(err)
	}
	err = s.store.Update(func(tx Tx) error {
		changes, err := in.ring.TendIn(ctx, tx, nil, spares)
		if err != nil {
			return err
		}
		for _, c := range changes {
			if c.To == StatusActive {
				s.rotations++
			}
		}
		_, err = in.ring.RotateIn(ctx, tx, ES256, nil)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	// The instance itself hears of it as late as any other.
}

func (s *simulation) issue(in *instance) {
	signer, err := in.ring.Signer(context.Background(), "")
	if err != nil {
		s.t.Fatal(err)
	}
	s.tokens = append(s.tokens, issued{signer.KeyID(), s.now.Add(in.ahead).Add(s.lifetime)})
}

// verify looks at one of the last tokens by what the server knows.
func (s *simulation) verify(server *server) {
	if !s.now.Before(server.until) {
		s.fetch(server)
	}
	back := 1 // the newest, or any that may still live
	if s.dice.IntN(2) == 0 {
		back += s.dice.IntN(min(len(s.tokens), 400))
	}
	token := s.tokens[len(s.tokens)-back]
	if s.now.Before(token.expires) && !server.kids[token.kid] {
		s.t.Fatalf("after %s a good token is refused: its key %s is not known", s.now.Sub(start), token.kid)
	}
}

// fetch gets a set that was made a while ago: it was on its way.
func (s *simulation) fetch(server *server) {
	set, err := s.any().ring.JWKS(context.Background())
	if err != nil {
		s.t.Fatal(err)
	}
	server.kids = map[string]bool{}
	for _, key := range parseSet(s.t, set).Keys {
		server.kids[key.KeyID] = true
	}
	server.until = s.now.Add(time.Minute + time.Duration(s.dice.Int64N(int64(transfer))))
}

// TestNoGoodTokenIsRefused plays hours of rotations. The resource servers never
// ask again because of a kid they do not know: it must not be needed.
func TestNoGoodTokenIsRefused(t *testing.T) {
	for seed := range uint64(2) {
		s := newSimulation(t, seed, 3*time.Minute)
		for s.now.Before(start.Add(time.Hour)) {
			s.step()
		}
		if s.rotations < 20 {
			t.Errorf("seed %d: %d rotations only", seed, s.rotations)
		}
	}
}
