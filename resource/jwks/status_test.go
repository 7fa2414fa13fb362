package jwks_test

import (
	"testing"
	"time"

	"github.com/certbound/certbound/resource/jwks"
)

func TestStatus(t *testing.T) {
	i := newIssuer()
	i.publish(t, "k1")
	i.down = true
	r := i.remote(t)
	if s := r.Status(); s != (jwks.Status{}) {
		t.Errorf("before the first fetch: %+v", s)
	}
	expect(t, r, "k1", "unavailable")
	if s := r.Status(); s != (jwks.Status{Fetches: 1, Failures: 1}) {
		t.Errorf("after a fetch that failed: %+v", s)
	}
	i.down = false
	i.pass(10 * time.Second)
	expect(t, r, "k1", "found")
	good := r.Status()
	if good.Fetches != 2 || good.Failures != 1 || good.Fetched.IsZero() {
		t.Errorf("after a good one: %+v", good)
	}
	i.down = true
	i.pass(time.Hour)
	expect(t, r, "k1", "found") // the last good set goes on
	if s := r.Status(); s.Fetched != good.Fetched || s.Failures != 2 {
		t.Errorf("while the issuer is away: %+v", s)
	}
}
