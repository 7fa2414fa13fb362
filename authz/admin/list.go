package admin

// page answers one page of a list in the order of ids: keyset paging, so that what
// is registered meanwhile moves nothing. The fetch is asked for one record more than
// wanted, to know whether there is another page.
func page[T any](c *call, q *query, fetch func(after string, limit int) ([]T, error), id func(*T) string, body func([]T) any) (*answer, *refusal) {
	limit := q.limit()
	if f := q.bad.refusal(); f != nil {
		return nil, f
	}
	found, err := fetch(q.text("after"), limit+1)
	if err != nil {
		return nil, unavailable(err)
	}
	a := &answer{}
	if len(found) > limit {
		found = found[:limit]
		a.link = q.next(c.URL.Path, "after", id(&found[limit-1]))
	}
	a.body = body(found)
	return a, nil
}

// views turns records into what the API shows of them.
func views[T, V any](records []T, view func(T) V) []V {
	all := make([]V, len(records))
	for i := range records {
		all[i] = view(records[i])
	}
	return all
}
