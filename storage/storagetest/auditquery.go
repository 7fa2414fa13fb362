package storagetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
)

// history fills two streams. Every event's Kind is unique, its name in the tests,
// but for "refused". In the newest-first order they are
// g f e d c b a refused refused.
func history(t *testing.T, s storage.Store) map[string]storage.AuditEvent {
	t.Helper()
	seed(t, s)
	ctx := t.Context()
	do(t, s, func(tx storage.Tx) error {
		if err := tx.CreatePartner(ctx, partner("globex")); err != nil {
			return err
		}
		theirs := selfSignedClient("globex-app")
		theirs.PartnerID = "globex"
		for _, c := range []storage.Client{theirs, selfSignedClient("edge"), selfSignedClient("idle"), selfSignedClient("other")} {
			if err := tx.CreateClient(ctx, c); err != nil {
				return err
			}
		}
		return nil
	})
	event := func(after int, kind, partner, client string) storage.AuditEvent {
		return storage.AuditEvent{Time: stored(after), Kind: kind, PartnerID: partner, ClientID: client, Detail: "{}"}
	}
	refusal := event(0, "refused", "", "nobody we know")
	refusal.Reason = "client_unknown"
	a, c, g := event(1, "a", "acme", "edge"), event(2, "c", "acme", "edge"), event(4, "g", "acme", "edge")
	a.RequestID, c.RequestID, g.RequestID = hexID(1), hexID(2), hexID(2)
	a.TokenID, c.Thumbprint, g.Thumbprint = "jti", thumbprint.Thumbprint{7}, thumbprint.Thumbprint{7}
	// a, c and e are one second apart from b, d and f at the most: same second, the
	// later stream first.
	one := appendTo(t, s, "one", refusal, refusal, a, c, event(3, "e", "acme", ""))
	two := appendTo(t, s, "two", event(1, "b", "globex", "globex-app"), event(2, "d", "acme", "other"), event(3, "f", "globex", ""), g)
	all := map[string]storage.AuditEvent{}
	for _, e := range append(one, two...) {
		all[e.Kind] = e
	}
	return all
}

func hexID(n int) string { return fmt.Sprintf("%032x", n) }

// kinds names a page.
func kinds(events []storage.AuditEvent) string {
	var names []string
	for _, e := range events {
		names = append(names, e.Kind)
	}
	return strings.Join(names, " ")
}

const everything = "g f e d c b a refused refused"

func testAuditQueries(t *testing.T, s storage.Store) { wantAnswers(t, s, history(t, s)) }

// testAuditQueriesIndexed: the index changes no answer.
func testAuditQueriesIndexed(t *testing.T, s storage.Store) {
	all := history(t, s)
	indexEverything(t, s)
	wantAnswers(t, s, all)
}

func wantAnswers(t *testing.T, s storage.Store, all map[string]storage.AuditEvent) {
	before := func(kind string) storage.AuditCursor {
		e := all[kind]
		return storage.AuditCursor{Time: e.Time, StreamID: e.StreamID, Seq: e.Seq}
	}
	for name, c := range map[string]struct {
		query storage.AuditQuery
		want  string
	}{
		"all":                       {storage.AuditQuery{}, everything},
		"limit":                     {storage.AuditQuery{Limit: 2}, "g f"},
		"client":                    {storage.AuditQuery{ClientID: "edge"}, "g c a"},
		"client that never was":     {storage.AuditQuery{ClientID: "nobody we know"}, "refused refused"},
		"idle client":               {storage.AuditQuery{ClientID: "idle"}, ""},
		"partner":                   {storage.AuditQuery{PartnerID: "acme"}, "g e d c a"},
		"partner, limit":            {storage.AuditQuery{PartnerID: "acme", Limit: 3}, "g e d"},
		"partner, limit one":        {storage.AuditQuery{PartnerID: "acme", Limit: 1}, "g"},
		"other partner":             {storage.AuditQuery{PartnerID: "globex"}, "f b"},
		"unknown partner":           {storage.AuditQuery{PartnerID: "nobody"}, ""},
		"partner and its client":    {storage.AuditQuery{PartnerID: "acme", ClientID: "edge"}, "g c a"},
		"partner, another's client": {storage.AuditQuery{PartnerID: "globex", ClientID: "edge"}, ""},
		"partner and request":       {storage.AuditQuery{PartnerID: "acme", RequestID: hexID(2)}, "g c"},
		"another's request":         {storage.AuditQuery{PartnerID: "globex", RequestID: hexID(2)}, ""},
		"partner and kind":          {storage.AuditQuery{PartnerID: "acme", Kind: "d"}, "d"},
		"partner and since":         {storage.AuditQuery{PartnerID: "acme", Since: stored(3)}, "g e"},
		"partner, since and limit":  {storage.AuditQuery{PartnerID: "acme", Since: stored(2), Limit: 3}, "g e d"},
		"partner, page two":         {storage.AuditQuery{PartnerID: "acme", Before: before("e")}, "d c a"},
		"request":                   {storage.AuditQuery{RequestID: hexID(2)}, "g c"},
		"request and client":        {storage.AuditQuery{RequestID: hexID(1), ClientID: "edge"}, "a"},
		"request, other client":     {storage.AuditQuery{RequestID: hexID(1), ClientID: "other"}, ""},
		"request, page two":         {storage.AuditQuery{RequestID: hexID(2), Before: before("g")}, "c"},
		"unknown request":           {storage.AuditQuery{RequestID: hexID(3)}, ""},
		"no request id":             {storage.AuditQuery{RequestID: "x'00'"}, ""},
		"kind":                      {storage.AuditQuery{Kind: "refused"}, "refused refused"},
		"reason":                    {storage.AuditQuery{Reason: "client_unknown"}, "refused refused"},
		"reason and kind":           {storage.AuditQuery{Reason: "client_unknown", Kind: "a"}, ""},
		"token":                     {storage.AuditQuery{TokenID: "jti"}, "a"},
		"thumbprint":                {storage.AuditQuery{Thumbprint: thumbprint.Thumbprint{7}}, "g c"},
		"thumbprint and client":     {storage.AuditQuery{Thumbprint: thumbprint.Thumbprint{7}, ClientID: "edge"}, "g c"},
		"since":                     {storage.AuditQuery{Since: stored(3)}, "g f e"},
		"since, within a second":    {storage.AuditQuery{Since: stored(3).Add(1)}, "g"},
		"until":                     {storage.AuditQuery{Until: stored(1)}, "refused refused"},
		"until, within a second":    {storage.AuditQuery{Until: stored(1).Add(1)}, "b a refused refused"},
		"a second":                  {storage.AuditQuery{Since: stored(2), Until: stored(3)}, "d c"},
		"before, same second":       {storage.AuditQuery{Before: before("d")}, "c b a refused refused"},
		"before and earlier until":  {storage.AuditQuery{Before: before("d"), Until: stored(1)}, "refused refused"},
		"before and later until":    {storage.AuditQuery{Before: before("c"), Until: stored(3)}, "b a refused refused"},
		"before, until its second":  {storage.AuditQuery{Before: before("d"), Until: stored(2)}, "b a refused refused"},
		"before and since":          {storage.AuditQuery{Before: before("d"), Since: stored(2)}, "c"},
		"before the first":          {storage.AuditQuery{Before: storage.AuditCursor{Time: stored(0)}}, ""},
		"hostile":                   {storage.AuditQuery{ClientID: "' OR 1 = 1 --", Kind: "?", Reason: "$1"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if c.query.Limit == 0 {
				c.query.Limit = 1000
			}
			got := must[[]storage.AuditEvent](t)(s.AuditEvents(t.Context(), c.query))
			if kinds(got) != c.want || got == nil {
				t.Errorf("got %q, want %q", kinds(got), c.want)
			}
			for _, e := range got {
				if e.Kind != "refused" {
					same(t, e.Kind, e, all[e.Kind])
				}
			}
			do(t, s, func(tx storage.Tx) error { // the same inside of a transaction
				same(t, "in a transaction", must[[]storage.AuditEvent](t)(tx.AuditEvents(t.Context(), c.query)), got)
				return nil
			})
		})
	}
	for _, limit := range []int{-1, 0, 1001} {
		_, err := s.AuditEvents(t.Context(), storage.AuditQuery{Limit: limit})
		if want := fmt.Sprintf("storage: audit query: limit %d is not between 1 and 1000", limit); err == nil || err.Error() != want {
			t.Errorf("got error %v, want %s", err, want)
		}
	}
}

// testAuditPages: pages of any size put together are the whole, also while events
// are added.
func testAuditPages(t *testing.T, s storage.Store) {
	history(t, s)
	added := 0
	for name, q := range map[string]storage.AuditQuery{
		"all": {}, "by client": {ClientID: "edge"}, "by partner": {PartnerID: "acme"}, "window": {Since: stored(1), Until: stored(4)},
	} {
		q.Limit = 1000
		for size := 1; size <= 4; size++ {
			t.Run(fmt.Sprintf("%s in pages of %d", name, size), func(t *testing.T) {
				whole := must[[]storage.AuditEvent](t)(s.AuditEvents(t.Context(), q))
				var pages []storage.AuditEvent
				for page := q; ; {
					page.Limit = size
					got := must[[]storage.AuditEvent](t)(s.AuditEvents(t.Context(), page))
					pages = append(pages, got...)
					if len(got) < size {
						break
					}
					if size == 3 {
						indexEverything(t, s) // between pages
					}
					last := got[size-1]
					page.Before = storage.AuditCursor{Time: last.Time, StreamID: last.StreamID, Seq: last.Seq}
					if len(pages) == size { // once, or the whole would double with each size
						added++
						appendTo(t, s, "three", storage.AuditEvent{Time: stored(1000 + added), Kind: "later", ClientID: "edge", Detail: "{}"})
					}
				}
				same(t, "pages", pages, whole)
			})
		}
	}
}

// testAuditRoundTrip: what was hashed is what is read, or the chain would break.
func testAuditRoundTrip(t *testing.T, s storage.Store) {
	var want []storage.AuditEvent
	for _, text := range []string{"'; DROP TABLE audit_events; --", "$1 ? %s", "Söhne \u202e\n\t", strings.Repeat("a", 1<<16), " ", "0", "1e3", "NULL"} {
		want = append(want, storage.AuditEvent{
			Time: time.Unix(1, 0).UTC(), Kind: text, Reason: text, PartnerID: text, ClientID: text, Actor: text, TokenID: text, Detail: text,
		})
	}
	want = appendTo(t, s, "one", want...)
	same(t, "chain", must[[]storage.AuditEvent](t)(s.AuditChain(t.Context(), want[0].StreamID, 0, 100)), want)
}
