package authz_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/clientauth"
	"github.com/certbound/certbound/authz/registry"
	"github.com/certbound/certbound/authz/token"
	"github.com/certbound/certbound/keys/trust"
)

// nothing is an audit that keeps no record: the baseline of the benchmark.
type nothing struct{}

func (nothing) Record(context.Context, audit.Event) error { return nil }
func (nothing) Refused(audit.Event)                       {}

// BenchmarkTokenAudit issues tokens without a network, with the record strict,
// async and off, for 1, 16 and 64 callers at once. cpu-µs/op is the CPU of the
// whole process per token; compare within one run only. batch is the mean number
// of events a commit made durable.
func BenchmarkTokenAudit(b *testing.B) {
	for _, callers := range []int{1, 16, 64} {
		for _, durability := range []audit.Durability{"off", audit.Async, audit.Strict} {
			b.Run(fmt.Sprintf("callers=%d/audit=%s", callers, durability), func(b *testing.B) {
				benchmarkAudit(b, callers, durability)
			})
		}
	}
}

func benchmarkAudit(b *testing.B, callers int, durability audit.Durability) {
	w := newWorld(b)
	var record token.Audit = nothing{}
	var recorder *audit.Recorder
	if durability != "off" {
		var err error
		recorder, err = audit.New(audit.Config{Store: w.store, Instance: "bench", Clock: time.Now, Logger: slog.New(slog.DiscardHandler), Durability: durability})
		if err != nil {
			b.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { defer close(done); recorder.Run(ctx) }()
		defer func() { stop(); <-done }()
		record = recorder
	}
	endpoint := w.endpoint(b, record)
	state := &tls.ConnectionState{Version: tls.VersionTLS13, HandshakeComplete: true, PeerCertificates: []*x509.Certificate{w.acme.Cert}}
	b.ReportAllocs()
	var left atomic.Int64
	left.Store(int64(b.N))
	before := cpu()
	b.ResetTimer()
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				r := httptest.NewRequest(http.MethodPost, "/oauth2/token", strings.NewReader("grant_type=client_credentials&client_id=acme-billing"))
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				r.TLS = state
				answer := httptest.NewRecorder()
				endpoint.ServeHTTP(answer, r)
				if answer.Code != http.StatusOK {
					b.Errorf("%d %s", answer.Code, answer.Body)
					return
				}
			}
		})
	}
	all.Wait()
	b.StopTimer()
	b.ReportMetric(float64((cpu()-before).Nanoseconds())/1e3/float64(b.N), "cpu-µs/op")
	if recorder != nil {
		if stats := recorder.Stats(); stats.Batches > 0 {
			b.ReportMetric(float64(stats.Committed)/float64(stats.Batches), "batch")
		}
	}
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
	endpoint, err := token.New(token.Config{
		Issuer: issuer, Authenticator: authenticator, Records: records, Signers: w.ring, Audit: record,
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
