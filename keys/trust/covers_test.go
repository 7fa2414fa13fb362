package trust

import (
	"testing"

	"github.com/certbound/certbound/keys/keystest"
)

func TestCovers(t *testing.T) {
	a, b := keystest.NewCA(t, "A"), keystest.NewCA(t, "B")
	below := a.Intermediate(t, "Below A")
	one := bundleOf(t, Spec{Anchors: anchors(a)})
	both := bundleOf(t, Spec{Anchors: anchors(a, b)})
	helped := bundleOf(t, Spec{Anchors: anchors(a), Intermediates: anchors(below)})
	pinned := bundleOf(t, Spec{Anchors: anchors(a), Issuers: anchors(below)})
	pinnedBoth := bundleOf(t, Spec{Anchors: anchors(a), Issuers: anchors(below, a)})
	short := bundleOf(t, Spec{Anchors: anchors(a), MaxDepth: 1})
	for _, c := range []struct {
		name       string
		now, other *Bundle
		want       bool
	}{
		{"the same", one, one, true},
		{"an authority more", both, one, true},
		{"an authority less", one, both, false},
		{"a helper more", helped, one, true},
		{"a helper less", one, helped, false},
		{"a helper that is a pin", pinned, helped, false},
		{"pinned now", pinned, one, false},
		{"pinned no more", helped, pinned, true},
		{"a pin more", pinnedBoth, pinned, true},
		{"a pin less", pinned, pinnedBoth, false},
		{"shorter paths", short, one, false},
		{"longer paths", one, short, true},
	} {
		if got := c.now.Covers(c.other); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}
