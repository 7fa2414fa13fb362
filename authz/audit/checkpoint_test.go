package audit_test

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/keys"
	"github.com/certbound/certbound/storage"
)

// memory is a keys.Store for one ring.
type memory struct{ records []keys.Record }

func (m *memory) SigningKeys(context.Context) ([]keys.Record, error) { return m.records, nil }
func (m *memory) AddSigningKey(_ context.Context, r keys.Record) error {
	m.records = append(m.records, r)
	return nil
}

func ring(t testing.TB, purpose string) *keys.Ring {
	t.Helper()
	kek := make([]byte, 32)
	rand.Read(kek)
	sealer, err := keys.NewSealer(keys.KEK{ID: "k", Key: kek})
	if err != nil {
		t.Fatal(err)
	}
	r, err := keys.Open(t.Context(), keys.Config{Store: &memory{}, Sealer: sealer, Purpose: purpose})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// cutStore shows the chains as if everything behind an event had never been.
type cutStore struct {
	storage.Store
	at   int64
	gone bool
}

func (c *cutStore) AuditStreams(ctx context.Context) ([]storage.AuditStream, error) {
	streams, err := c.Store.AuditStreams(ctx)
	if err != nil || c.gone {
		return nil, err
	}
	for i := range streams {
		events, err := c.Store.AuditChain(ctx, streams[i].ID, c.at-1, 1)
		if err != nil {
			return nil, err
		}
		streams[i].HeadSeq, streams[i].HeadHash = c.at, events[0].Hash
	}
	return streams, nil
}

func (c *cutStore) AuditChain(ctx context.Context, stream, after int64, _ int) ([]storage.AuditEvent, error) {
	if after >= c.at {
		return nil, nil
	}
	return c.Store.AuditChain(ctx, stream, after, int(c.at-after))
}

// TestCutTailShowsAgainstACheckpoint: tail and head cut together look whole, until
// somebody kept a checkpoint.
func TestCutTailShowsAgainstACheckpoint(t *testing.T) {
	store := open(t)
	recorder, _ := run(t, store, nil)
	for i := range 10 {
		if err := recorder.Record(t.Context(), issued(i)); err != nil {
			t.Fatal(err)
		}
	}
	signer := ring(t, audit.CheckpointPurpose)
	compact, err := audit.NewCheckpoint(t.Context(), store, signer, start)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := audit.ParseCheckpoint(compact, signer.PublicJWKS())
	if err != nil || kept.IssuedAt != start.Unix() || len(kept.Heads) != 1 || kept.Heads[0].Seq != 10 {
		t.Fatalf("%+v, %v", kept, err)
	}
	if err := recorder.Record(t.Context(), issued(11)); err != nil { // life goes on behind it
		t.Fatal(err)
	}
	other := *kept
	other.Heads = []audit.Head{{Instance: "as-1", Seq: 10, Hash: strings.Repeat("A", 43)}}
	for _, c := range []struct {
		name   string
		chains audit.Trail
		kept   *audit.Checkpoint
		want   string
	}{
		{"whole", store, kept, ""},
		{"cut, without a checkpoint", &cutStore{store, 7, false}, nil, ""},
		{"cut, with a checkpoint", &cutStore{store, 7, false}, kept, "event 10: the checkpoint has seen this event, and the chain ends at event 7: its tail was cut"},
		{"the stream is gone", &cutStore{store, 7, true}, kept, "the checkpoint knows this stream, and it is gone"},
		{"rewritten", store, &other, "event 10: is another one than the checkpoint has seen"},
	} {
		t.Run(c.name, func(t *testing.T) {
			report, err := audit.Verify(t.Context(), c.chains, nil, c.kept)
			if err != nil {
				t.Fatal(err)
			}
			if (c.want == "") != (len(report.Faults) == 0) || c.want != "" && !strings.Contains(report.Faults[0].String(), c.want) {
				t.Errorf("faults %v, want %q", report.Faults, c.want)
			}
		})
	}
}

func TestParseCheckpointRefuses(t *testing.T) {
	store := open(t)
	signer, other := ring(t, audit.CheckpointPurpose), ring(t, audit.CheckpointPurpose)
	good, err := audit.NewCheckpoint(t.Context(), store, signer, start)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signer.Sign([]byte(`{"iat":1,"heads":[]}`), "at+jwt")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		text string
		keys []byte
	}{
		"another server's":  {good, other.PublicJWKS()},
		"another type":      {token, signer.PublicJWKS()},
		"altered":           {good[:len(good)-4] + "AAAA", signer.PublicJWKS()},
		"no JWS":            {"nothing", signer.PublicJWKS()},
		"keys that are not": {good, []byte("{")},
	} {
		if c, err := audit.ParseCheckpoint(c.text, c.keys); err == nil {
			t.Errorf("%s: accepted as %+v", name, c)
		}
	}
}
