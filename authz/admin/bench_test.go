package admin_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/certbound/certbound/authz/internal/authztest"
	"github.com/certbound/certbound/storage"
)

// crowd registers n clients, a thousand to a partner.
func (w *world) crowd(b *testing.B, n int) {
	b.Helper()
	const batch = 1000
	for from := 0; from < n; from += batch {
		w.Update(func(ctx context.Context, tx storage.Tx) error {
			partner := fmt.Sprintf("crowd-%d", from/batch)
			if err := tx.CreatePartner(ctx, storage.Partner{ID: partner, CreatedAt: w.Clock()}); err != nil {
				return err
			}
			for i := from; i < min(from+batch, n); i++ {
				id := fmt.Sprintf("c-%07d", i)
				err := tx.CreateClient(ctx, storage.Client{
					ID: id, PartnerID: partner, Method: storage.TLSClientAuth, TrustBundle: "partners", Scopes: []string{"accounts:read"}, CreatedAt: w.Clock(),
					Matcher: storage.Matcher{Kind: storage.SANDNS, Value: id + ".example", Canonical: id + ".example"},
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// BenchmarkAdmin is what one administrator waits for, over TLS and to the disk, among
// few clients and many: registration, lookup and list must stay flat.
func BenchmarkAdmin(b *testing.B) {
	for _, n := range []int{100, 100_000} {
		w := newWorld(b)
		w.crowd(b, n)
		root := w.as("root")
		last := fmt.Sprintf("c-%07d", n*9/10)
		for _, c := range []struct {
			name string
			call func(i int) authztest.Answer
		}{
			{"get", func(int) authztest.Answer { return root.get("/admin/v1/clients/" + last) }},
			{"page", func(int) authztest.Answer { return root.get("/admin/v1/clients?limit=50&after=" + last) }},
			{"page of a partner", func(int) authztest.Answer { return root.get("/admin/v1/clients?limit=50&partner=crowd-0") }},
			{"register", func(i int) authztest.Answer {
				id := fmt.Sprintf("n-%d-%d", time.Now().UnixNano(), i)
				return root.post("/admin/v1/clients", fmt.Sprintf(
					`{"client_id":%q,"partner_id":"acme","token_endpoint_auth_method":"tls_client_auth","tls_client_auth_san_uri":"urn:%s","trust_bundle":"partners","scope":"accounts:read"}`, id, id))
			}},
			{"lock a partner out", func(i int) authztest.Answer {
				verb := []string{"lockout", "restore"}[i%2]
				return root.post("/admin/v1/partners/crowd-0/"+verb, `{"reason":"benchmark"}`)
			}},
		} {
			b.Run(fmt.Sprintf("%s/%d", c.name, n), func(b *testing.B) {
				var took []time.Duration
				for i := range b.N {
					began := time.Now()
					if a := c.call(i); a.Status >= 300 {
						b.Fatal(a.Status, a.Body)
					}
					took = append(took, time.Since(began))
				}
				slices.Sort(took)
				b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
				b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
			})
		}
	}
}
