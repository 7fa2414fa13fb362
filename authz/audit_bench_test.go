package authz_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/clientauth"
	"github.com/certbound/certbound/authz/registry"
	"github.com/certbound/certbound/authz/sightings"
	"github.com/certbound/certbound/authz/token"
	"github.com/certbound/certbound/keys/trust"
)

// nothing is an audit that keeps no record: the baseline of the benchmark.
type nothing struct{}

func (nothing) Record(context.Context, audit.Event) error { return nil }
func (nothing) Refused(audit.Event)                       {}

// BenchmarkTokenAudit issues tokens without a network, with the record off, async
// and strict, for 1, 16 and 64 callers at once. The three take turns within one run,
// so that what else the machine does falls on each alike: off-µs is the CPU of the
// whole process per token without a record, async/off and strict/off are ratios to
// it, each the median over the turns. batch is the mean number of events that one
// strict commit made durable. ns/op means nothing here: it is of all three.
func BenchmarkTokenAudit(b *testing.B) {
	for _, callers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			variants := []*variant{newVariant(b, "off"), newVariant(b, audit.Async), newVariant(b, audit.Strict)}
			const turns = 10
			perTurn := max(b.N/turns, 2*callers)
			b.ResetTimer()
			for range turns {
				for _, v := range variants {
					v.turn(b, callers, perTurn)
				}
			}
			b.StopTimer()
			off := median(variants[0].costs)
			b.ReportMetric(off, "off-µs")
			b.ReportMetric(median(ratios(variants[1].costs, variants[0].costs)), "async/off")
			b.ReportMetric(median(ratios(variants[2].costs, variants[0].costs)), "strict/off")
			if stats := variants[2].recorder.Stats(); stats.Batches > 0 {
				b.ReportMetric(float64(stats.Committed)/float64(stats.Batches), "batch")
			}
		})
	}
}

// variant is a token endpoint with a record of its own kind.
type variant struct {
	endpoint *token.Endpoint
	recorder *audit.Recorder // nil without a record
	state    *tls.ConnectionState
	issued   int64
	costs    []float64 // µs of CPU per token, by turn
}

func newVariant(b *testing.B, durability audit.Durability) *variant {
	b.Helper()
	w := newWorld(b)
	v := &variant{state: &tls.ConnectionState{
		Version: tls.VersionTLS13, HandshakeComplete: true, PeerCertificates: []*x509.Certificate{w.acme.Cert},
	}}
	if durability == "off" {
		v.endpoint = w.endpoint(b, nothing{})
		return v
	}
	var err error
	v.recorder, err = audit.New(audit.Config{Store: w.store, Instance: "bench", Clock: time.Now, Logger: slog.New(slog.DiscardHandler), Durability: durability})
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); v.recorder.Run(ctx) }()
	b.Cleanup(func() { stop(); <-done })
	v.endpoint = w.endpoint(b, v.recorder)
	return v
}

// turn issues tokens, and waits until what was queued for them is stored: async
// costs what it costs, only later.
func (v *variant) turn(b *testing.B, callers, tokens int) {
	b.Helper()
	var left atomic.Int64
	left.Store(int64(tokens))
	before := cpu()
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				v.issue(b)
			}
		})
	}
	all.Wait()
	if v.recorder != nil {
		v.issued += int64(tokens)
		tick := time.NewTicker(time.Millisecond)
		for v.recorder.Stats().Committed < v.issued && !b.Failed() {
			<-tick.C
		}
		tick.Stop()
	}
	v.costs = append(v.costs, float64((cpu()-before).Nanoseconds())/1e3/float64(tokens))
}

func (v *variant) issue(b *testing.B) {
	r := httptest.NewRequest(http.MethodPost, "/oauth2/token", strings.NewReader("grant_type=client_credentials&client_id=acme-billing"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.TLS = v.state
	answer := httptest.NewRecorder()
	v.endpoint.ServeHTTP(answer, r)
	if answer.Code != http.StatusOK {
		b.Errorf("%d %s", answer.Code, answer.Body)
	}
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

func ratios(of, to []float64) []float64 {
	all := make([]float64, len(of))
	for i := range of {
		all[i] = of[i] / to[i]
	}
	return all
}

// endpoint is the token endpoint of the world with another audit.
func (w *world) endpoint(b *testing.B, record token.Audit) *token.Endpoint {
	b.Helper()
	bundles, err := w.store.TrustBundles(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	var active []*trust.Bundle
	for _, record := range bundles {
		bundle, err := trust.Load(trust.Spec{Name: record.Name, Version: record.Version, Anchors: []byte(record.AnchorsPEM)})
		if err != nil {
			b.Fatal(err)
		}
		active = append(active, bundle)
	}
	authenticator, err := clientauth.New(clientauth.Config{Records: w.store, Trust: trust.NewSet(active, nil), Clock: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	records, err := registry.New(w.store, nil)
	if err != nil {
		b.Fatal(err)
	}
	seen, err := sightings.New(sightings.Config{Store: w.store, Clock: time.Now, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	endpoint, err := token.New(token.Config{
		Issuer: issuer, Authenticator: authenticator, Records: records, Signers: w.ring, Audit: record, Seen: seen,
		Clock: time.Now, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	return endpoint
}

// cpu is the CPU time this process has used.
func cpu() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
