package conformance

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/certbound/certbound/conformance/internal/forge"
	"github.com/certbound/certbound/conformance/internal/harness"
)

// TestStormOfUnknownKeys: from many connections at once come tokens that name keys
// nobody has. The issuer is asked no more often than its floor of ten seconds
// allows, and good tokens are served meanwhile.
func TestStormOfUnknownKeys(t *testing.T) {
	t.Parallel()
	d := harness.Start(t)
	g := newGood(t, d)
	g.round(t)
	before := g.settled(t)
	fetches := func() float64 { return scrapeBy(t, d, g.kept).value("certbound_issuer_keys_fetches_total") }
	asked, began := fetches(), time.Now()
	payload := goodClaims(d, g.pair).String()
	attacker := forge.NewKey()
	var work sync.WaitGroup
	for i := range 40 {
		client := d.HTTPClient(t, &g.pair, nil)
		work.Go(func() {
			defer client.CloseIdleConnections()
			for j := range 25 {
				request := d.APIRequest(nil, forge.ES256(attacker, fmt.Sprintf(`{"alg":"ES256","kid":"unknown-%d-%d","typ":"at+jwt"}`, i, j), payload))
				request.Client = client
				resp, err := d.Try(t, request)
				if err != nil || resp.Status != http.StatusUnauthorized || reasonOf(resp) != "key_unknown" {
					t.Errorf("%v, %v", resp, err)
					return
				}
			}
		})
	}
	g.round(t)
	work.Wait()
	most := 2 + time.Since(began).Seconds()/10
	if n := fetches() - asked; n > most {
		t.Errorf("the issuer was asked %g times, want at most %g", n, most)
	} else {
		t.Logf("1000 unknown keys, %g fetches", n)
	}
	g.round(t)
	g.expectNothingLeft(t, before)
}
