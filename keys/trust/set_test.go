package trust

import (
	"sync"
	"testing"

	"github.com/certbound/certbound/keys/keystest"
)

func TestSet(t *testing.T) {
	oldRoot, newRoot, globexRoot := keystest.NewCA(t, "old"), keystest.NewCA(t, "new"), keystest.NewCA(t, "globex root")
	partners := func(version int64, root *keystest.CA) *Bundle {
		return bundleOf(t, Spec{Version: version, Anchors: anchors(root)})
	}
	globex := bundleOf(t, Spec{Name: "globex", Version: 7, Anchors: anchors(globexRoot)})
	retiredGlobex := bundleOf(t, Spec{Name: "globex", Version: 6, Anchors: anchors(newRoot)})
	set := NewSet([]*Bundle{partners(1, oldRoot), partners(2, newRoot), globex}, []*Bundle{partners(1, oldRoot), retiredGlobex})

	active, ok := set.Get("partners")
	if !ok || active.String() != "partners@2" {
		t.Fatalf("active: %v, %v", active, ok)
	}
	if _, ok := set.Get("initech"); ok {
		t.Error("a bundle that does not exist was found")
	}
	late := client(t, oldRoot)
	wantError(t, active.Verify(client(t, newRoot).Cert, nil, now), nil, "")
	wantError(t, active.Verify(late.Cert, nil, now), ErrUntrusted, "the authority CN=old, which issued CN=client, is neither in bundle partners@2 nor was it sent; if it is below one of the bundle's anchors, have the client send its whole chain")
	wantError(t, active.Verify(client(t, globexRoot).Cert, nil, now), ErrUntrusted, "CN=client was issued by an authority of bundle globex@7, not of bundle partners@2")

	for _, tt := range []struct {
		name, bundle string
		pair         keystest.Pair
		want         bool
	}{
		{"retired version", "partners", late, true},
		{"active version only", "partners", client(t, newRoot), false},
		{"other bundle's retired version", "partners", client(t, globexRoot), false},
		{"retired version of another name", "initech", late, false},
		{"expired certificate", "partners", client(t, oldRoot, keystest.Expired()), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := set.AcceptedByRetired(tt.bundle, tt.pair.Cert, tt.pair.Chain, now); got != tt.want {
				t.Errorf("AcceptedByRetired = %v", got)
			}
		})
	}
}

// A neighbour's name is not enough to be called a neighbour's.
func TestNeighbourIsToldByItsKey(t *testing.T) {
	set := NewSet([]*Bundle{
		bundleOf(t, Spec{Anchors: anchors(keystest.NewCA(t, "root"))}),
		bundleOf(t, Spec{Name: "globex", Anchors: anchors(keystest.NewCA(t, "globex root"))}),
	}, nil)
	active, _ := set.Get("partners")
	impostor := client(t, keystest.NewCA(t, "globex root"))
	wantError(t, active.Verify(impostor.Cert, nil, now), ErrUntrusted, "the authority CN=globex root, which issued CN=client, is neither in bundle partners@3 nor was it sent; if it is below one of the bundle's anchors, have the client send its whole chain")
}

func TestSetRemembersTheNewestRetired(t *testing.T) {
	first, filler := keystest.NewCA(t, "first"), keystest.NewCA(t, "filler")
	retired := []*Bundle{bundleOf(t, Spec{Version: 1, Anchors: anchors(first)})}
	leaf := client(t, first).Cert
	for version := int64(2); version <= maxRetired; version++ {
		retired = append(retired, bundleOf(t, Spec{Version: version, Anchors: anchors(filler)}))
	}
	if !NewSet(nil, retired).AcceptedByRetired("partners", leaf, nil, now) {
		t.Error("a version within the limit is forgotten")
	}
	retired = append(retired, bundleOf(t, Spec{Version: maxRetired + 1, Anchors: anchors(filler)}))
	if NewSet(nil, retired).AcceptedByRetired("partners", leaf, nil, now) {
		t.Error("a version beyond the limit is remembered")
	}
}

func TestReplaceIsAtomic(t *testing.T) {
	a, b := keystest.NewCA(t, "a"), keystest.NewCA(t, "b")
	contents := [][]*Bundle{{bundleOf(t, Spec{Version: 1, Anchors: anchors(a)})}, {bundleOf(t, Spec{Version: 2, Anchors: anchors(b)})}}
	leaf := client(t, a).Cert
	set := NewSet(contents[0], nil)
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for range 50 {
				held, ok := set.Get("partners")
				if !ok {
					t.Error("no bundle during a reload")
					return
				}
				if accepted := held.Verify(leaf, nil, now) == nil; accepted != (held.Version() == 1) {
					t.Errorf("%s: accepted is %v", held, accepted)
				}
			}
		})
	}
	for i := range 100 {
		set.Replace(contents[i%2], nil)
	}
	readers.Wait()
}
