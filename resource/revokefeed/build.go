package revokefeed

import (
	"cmp"
	"slices"
)

// pageSize bounds the payload of one feed, so that it stays under [MaxSize] when
// it is signed and base64url has made 4 octets of 3.
const pageSize = MaxSize*3/4 - 256<<10

// Build makes the answer to a follower that is at after, from an authorization
// server that is at seq and from the entries that still live, in any order: all
// of them, or those behind after. What is newer than seq is left to the next
// answer, so that seq may be read before the entries.
//
// The answer is full for a follower that knows nothing (0), and for one that is
// ahead, which will refuse it: the authorization server has lost what it had
// published. All others get a delta, however far behind they are. What has
// expired is missing from it and is not missed, because the follower has
// forgotten it by the same time; a lift is kept at least as long as the deny it
// lifts. Were a follower that is far behind sent back to the beginning, a state
// of several feeds could never be fetched while entries expire.
//
// An entry that is superseded is left out; generations are merged upwards. When
// the entries do not fit into one feed, Head says so and the follower comes back
// for the rest. Issuer and times are the caller's to set.
func Build(entries []Entry, after, seq int64) *Feed {
	f := &Feed{Seq: seq, Head: seq, Full: after <= 0 || after > seq}
	if !f.Full {
		f.After = after
	}
	f.Entries = newest(entries, f.After, seq)
	if f.Full {
		// With nothing before it, a lift says nothing.
		f.Entries = slices.DeleteFunc(f.Entries, func(e Entry) bool { return e.Action == ActionLift })
	}
	if n := fitting(f.Entries); n < len(f.Entries) {
		f.Entries = f.Entries[:n]
		f.Seq = f.Entries[n-1].Seq
	}
	return f
}

// newest returns, in order, the last entry for each subject with a number in
// (after, seq].
func newest(entries []Entry, after, seq int64) []Entry {
	sorted := slices.Clone(entries)
	slices.SortFunc(sorted, func(a, b Entry) int { return cmp.Compare(b.Seq, a.Seq) })
	type subject struct{ kind, name string }
	kept := make([]Entry, 0, len(sorted))
	place := make(map[subject]int, len(sorted))
	for _, e := range sorted {
		if e.Seq <= after || e.Seq > seq {
			continue
		}
		s := subject{e.Kind, e.Subject}
		if i, ok := place[s]; ok {
			kept[i].absorb(&e)
			continue
		}
		place[s] = len(kept)
		kept = append(kept, e)
	}
	slices.Reverse(kept)
	return kept
}

// absorb merges an earlier entry for the same subject into e. Only generations
// have something to merge: they never go down.
func (e *Entry) absorb(earlier *Entry) {
	if e.Kind != KindClient {
		return
	}
	e.MinGeneration = max(e.MinGeneration, earlier.MinGeneration)
	if earlier.Expires.After(e.Expires) {
		e.Expires = earlier.Expires
	}
}

// fitting is how many of the entries one feed can hold.
func fitting(entries []Entry) int {
	size := 0
	for i := range entries {
		// Names and numbers take less than 200 octets.
		size += 200 + textSize(entries[i].Subject) + textSize(entries[i].Client)
		if size > pageSize || i == MaxEntries {
			return i
		}
	}
	return len(entries)
}

// textSize is the most octets that a text takes: an octet that is escaped takes six.
func textSize(s string) int {
	size := len(s)
	for i := range len(s) {
		if !isPlain(s[i]) {
			size += 5
		}
	}
	return size
}
