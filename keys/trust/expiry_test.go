package trust

import (
	"testing"
	"time"

	"github.com/certbound/certbound/keys/keystest"
)

// TestAnchorsUntil: the first anchor that ends counts, of the active version only.
func TestAnchorsUntil(t *testing.T) {
	long, short := keystest.NewCA(t, "long"), keystest.NewCA(t, "short", keystest.NotAfter(now.Add(time.Hour)))
	set := NewSet(
		[]*Bundle{bundleOf(t, Spec{Version: 2, Anchors: anchors(long, short)}), bundleOf(t, Spec{Name: "globex", Version: 1, Anchors: anchors(long)})},
		[]*Bundle{bundleOf(t, Spec{Version: 1, Anchors: anchors(short)})})
	until := map[string]time.Time{}
	for _, b := range set.Active() {
		until[b.String()] = b.AnchorsUntil()
	}
	if len(until) != 2 || !until["partners@2"].Equal(short.Cert.NotAfter) || !until["globex@1"].Equal(long.Cert.NotAfter) {
		t.Errorf("%v; short ends %v, long %v", until, short.Cert.NotAfter, long.Cert.NotAfter)
	}
}
