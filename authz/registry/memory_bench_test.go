package registry

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
)

// crowd is a database of clients like those of a bank, each with a certificate.
type crowd struct{ counted }

func (*crowd) Client(_ context.Context, id string) (storage.Client, error) {
	name := strings.Clone(id) + ".partner.example"
	return storage.Client{
		ID: id, PartnerID: "partner-" + id, Method: storage.TLSClientAuth, TrustBundle: "partners", Scopes: []string{"accounts:read", "payments:write"},
		Matcher: storage.Matcher{Kind: storage.SANDNS, Value: name, Canonical: strings.Clone(name)}, Generation: 1, Version: 1,
	}, nil
}

func (*crowd) Certificate(_ context.Context, x5t thumbprint.Thumbprint) (storage.Certificate, error) {
	return storage.Certificate{Thumbprint: x5t, ClientID: fmt.Sprintf("c-%x", x5t[:4]), DER: make([]byte, 600)}, nil
}

// BenchmarkView says what the heap holds once each of so many clients got a token.
func BenchmarkView(b *testing.B) {
	for _, n := range []int{100, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for range b.N {
				var before, after runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				v := newView(&crowd{}, 1)
				for i := range n {
					x5t := thumbprint.Thumbprint{byte(i), byte(i >> 8), byte(i >> 16), 1}
					_, err := v.Client(b.Context(), fmt.Sprintf("c-%07d", i))
					_, known := v.Certificate(b.Context(), x5t)
					_, denied := v.CertificateDenied(b.Context(), x5t)
					if err != nil || known != nil || denied != nil {
						b.Fatal(err, known, denied)
					}
				}
				runtime.GC()
				runtime.ReadMemStats(&after)
				b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "heap-MiB")
				runtime.KeepAlive(v)
			}
		})
	}
}
