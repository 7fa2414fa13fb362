package revokefeed_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/certbound/certbound/resource/revokefeed"
)

func entry(seq int64, kind, subject, action string, generation ...int64) revokefeed.Entry {
	e := revokefeed.Entry{Seq: seq, Kind: kind, Subject: subject, Action: action, Expires: at(1790003600 + seq)}
	if len(generation) > 0 {
		e.MinGeneration = generation[0]
	}
	return e
}

// summary is a feed in a line: full or delta, its numbers, then its entries.
func summary(f *revokefeed.Feed) string {
	var b strings.Builder
	if f.Full {
		fmt.Fprintf(&b, "full %d/%d:", f.Seq, f.Head)
	} else {
		fmt.Fprintf(&b, "%d-%d/%d:", f.After, f.Seq, f.Head)
	}
	for _, e := range f.Entries {
		fmt.Fprintf(&b, " %d %s %s", e.Seq, e.Action, e.Subject)
		if e.MinGeneration > 0 {
			fmt.Fprintf(&b, ">=%d", e.MinGeneration)
		}
	}
	return b.String()
}

func TestBuild(t *testing.T) {
	entries := []revokefeed.Entry{ // in no order
		entry(5, "token", "b", "deny"), entry(1, "client", "acme", "deny", 2), entry(3, "token", "a", "lift"),
		entry(2, "token", "a", "deny"), entry(4, "client", "acme", "deny", 3), entry(6, "key", "b", "deny"),
		entry(7, "key", "b", "lift"), entry(8, "token", "late", "deny"),
	}
	given := cmp.Diff(nil, entries)
	for _, tt := range []struct {
		after, seq int64
		want       string
	}{
		{0, 0, "full 0/0:"},
		{-1, 7, "full 7/7: 4 deny acme>=3 5 deny b"},
		{0, 7, "full 7/7: 4 deny acme>=3 5 deny b"},
		{0, 6, "full 6/6: 4 deny acme>=3 5 deny b 6 deny b"},
		{1, 7, "1-7/7: 3 lift a 4 deny acme>=3 5 deny b 7 lift b"},
		{2, 3, "2-3/3: 3 lift a"},
		{7, 7, "7-7/7:"},
		{7, 8, "7-8/8: 8 deny late"},
		{9, 8, "full 8/8: 4 deny acme>=3 5 deny b 8 deny late"},
	} {
		if got := summary(revokefeed.Build(entries, tt.after, tt.seq)); got != tt.want {
			t.Errorf("after %d of %d:\n got %s\nwant %s", tt.after, tt.seq, got, tt.want)
		}
	}
	if cmp.Diff(nil, entries) != given {
		t.Error("Build changed its input")
	}
}

// TestBuildKeepsGenerations: a wrong order of writes must not let one down.
func TestBuildKeepsGenerations(t *testing.T) {
	high, low := entry(1, "client", "acme", "deny", 9), entry(2, "client", "acme", "deny", 3)
	high.Expires = at(1800000000)
	f := revokefeed.Build([]revokefeed.Entry{high, low}, 0, 2)
	if len(f.Entries) != 1 || f.Entries[0].MinGeneration != 9 || !f.Entries[0].Expires.Equal(high.Expires) || f.Entries[0].Seq != 2 {
		t.Errorf("merged to %+v", f.Entries)
	}
}

// TestBuildPages: whatever there is arrives, in feeds that can be written and
// signed, each beginning where the last one ended.
func TestBuildPages(t *testing.T) {
	var entries []revokefeed.Entry
	for n := range int64(6_000) {
		// The worst subjects: each octet is escaped to six.
		entries = append(entries, entry(n+1, "token", fmt.Sprintf("%05d%s", n, strings.Repeat("<", 295)), "deny"))
	}
	seq := int64(len(entries))
	arrived, after, pages := 0, int64(0), 0
	for first := true; first || after < seq; first = false {
		f := revokefeed.Build(entries, after, seq)
		f.Issuer, f.IssuedAt, f.Expiry = issuerURL, at(1790000000), at(1790000060)
		payload, err := f.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if signed := len(payload)*4/3 + 1000; signed > revokefeed.MaxSize {
			t.Fatalf("page %d has %d octets when signed", pages, signed)
		}
		if f.Full != first || f.Head != seq || f.After != after {
			t.Fatalf("page %d: full %v, %d-%d/%d", pages, f.Full, f.After, f.Seq, f.Head)
		}
		arrived, after, pages = arrived+len(f.Entries), f.Seq, pages+1
	}
	if arrived != len(entries) || pages != 2 {
		t.Errorf("%d entries on %d pages", arrived, pages)
	}
}
