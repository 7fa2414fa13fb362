package admin

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/certbound/certbound/authz/admin/etag"
	"github.com/certbound/certbound/authz/admin/listing"
	"github.com/certbound/certbound/authz/admin/refusal"
	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/storage"
)

// collection is the records of one kind and how calls reach them: T is a record with
// all that is read of it, V what the API shows.
type collection[T, V any] struct {
	path  string                                                   // "/admin/v1/partners"
	idIn  func(*call) (string, error)                              // of the record that the path names; nil: call.id
	find  func(c *call, from storage.Reader, id string) (T, error) // storage.ErrNotFound
	view  func(c *call, record T) V
	tagOf func(V) string // its ETag; nil: etag.Of

	guard  func(c *call, record T) error // who may change it, beyond the route's scope; nil: everybody
	about  func(T) subject               // whom its events concern
	told   func(V) any                   // what its events keep of it; nil: the view
	answer func(V, []Warning) any        // to a change; nil: the view
	trust  bool                          // Config.TrustChanged is told of changes
}

// subject is whom and what an audit event is about.
type subject struct {
	client      storage.Client
	certificate thumbprint.Thumbprint
	name, value string // one more detail: "api", its id
}

// outcome is what a change has come to, beside the record itself.
type outcome struct {
	kind          audit.Kind
	reason        string
	before, after any            // for the event, instead of views
	more          map[string]any // for the event, beside them
	warnings      []Warning
}

func (l *collection[T, V]) id(c *call) (string, error) {
	if l.idIn == nil {
		return c.id()
	}
	return l.idIn(c)
}

func (l *collection[T, V]) tag(view V) string {
	if l.tagOf == nil {
		return etag.Of(view)
	}
	return l.tagOf(view)
}

// get answers with one record.
func (l *collection[T, V]) get(h *Handler, c *call) (*answer, error) {
	id, err := l.id(c)
	if err != nil {
		return nil, err
	}
	found, err := l.find(c, h.Store, id)
	if err != nil {
		return nil, err
	}
	view := l.view(c, found)
	return &answer{body: view, etag: l.tag(view)}, nil
}

// list answers pages of a collection by id. Filters are the parameters beside limit
// and after.
func list[T, S any](filters []string, fetch func(c *call, from storage.Reader, q *listing.Query, limit int) ([]T, error), id func(*T) string, show func(T) S, body func([]S) any) endpoint {
	known := append([]string{"limit", "after"}, filters...)
	return func(h *Handler, c *call) (*answer, error) {
		q, err := listing.Read(c.Request, known...)
		if err != nil {
			return nil, err
		}
		page, err := listing.Fetch(q, "after", func(limit int) ([]T, error) { return fetch(c, h.Store, q, limit) }, id)
		if err != nil {
			return nil, err
		}
		return &answer{body: body(views(page.Records, show)), link: page.Next}, nil
	}
}

// noQuery is for lists without parameters: they answer all that there is.
func noQuery(c *call) error {
	q, err := listing.Read(c.Request)
	if err != nil {
		return err
	}
	return q.Bad.Err()
}

// views turns records into what the API shows of them.
func views[T, V any](records []T, view func(T) V) []V {
	all := make([]V, len(records))
	for i := range records {
		all[i] = view(records[i])
	}
	return all
}

// present is the record that a change is about, for a caller who may change it and
// has seen this state of it.
func (l *collection[T, V]) present(c *call, tx storage.Tx, id string) (have T, view V, err error) {
	if have, err = l.find(c, tx, id); err != nil {
		return have, view, err
	}
	if l.guard != nil {
		if err := l.guard(c, have); err != nil {
			return have, view, err
		}
	}
	view = l.view(c, have)
	if !c.matches(l.tag(view)) {
		return have, view, refusal.New(refusal.RecordStale, "If-Match names another state of the record")
	}
	return have, view, nil
}

// change runs do on the record that the path names, answers with what has become of
// it, and records that. What do leaves as it was is no change.
func (l *collection[T, V]) change(h *Handler, c *call, do func(ctx context.Context, tx storage.Tx, have T) (outcome, error)) (*answer, error) {
	id, err := l.id(c)
	if err != nil {
		return nil, err
	}
	return h.update(c, func(ctx context.Context, tx storage.Tx, a *answer) error {
		have, before, err := l.present(c, tx, id)
		if err != nil {
			return err
		}
		out, err := do(ctx, tx, have)
		if err != nil {
			return err
		}
		now, err := l.find(c, tx, id)
		if err != nil {
			return err
		}
		after := l.view(c, now)
		a.before, a.body, a.etag = before, l.answered(after, out.warnings), l.tag(after)
		if a.change = etag.Of(after) != etag.Of(before); !a.change {
			return nil
		}
		a.trust = l.trust
		out.before, out.after = l.event(out.before, before), l.event(out.after, after)
		return h.record(c, tx, l.about(now), out)
	})
}

// remove runs do, which takes the record away.
func (l *collection[T, V]) remove(h *Handler, c *call, kind audit.Kind, do func(ctx context.Context, tx storage.Tx, have T) error) (*answer, error) {
	id, err := l.id(c)
	if err != nil {
		return nil, err
	}
	return h.update(c, func(ctx context.Context, tx storage.Tx, a *answer) error {
		have, before, err := l.present(c, tx, id)
		if err != nil {
			return err
		}
		if err := do(ctx, tx, have); err != nil {
			return err
		}
		return l.gone(h, c, tx, a, have, before, kind)
	})
}

// gone answers that there is such a record no more, and records it.
func (l *collection[T, V]) gone(h *Handler, c *call, tx storage.Tx, a *answer, have T, before V, kind audit.Kind) error {
	a.status, a.before, a.change, a.trust = http.StatusNoContent, before, true, l.trust
	return h.record(c, tx, l.about(have), outcome{kind: kind, before: l.event(nil, before)})
}

// added answers with a record that is new, and records it.
func (l *collection[T, V]) added(h *Handler, c *call, tx storage.Tx, a *answer, id string, out outcome) error {
	stored, err := l.find(c, tx, id)
	if err != nil {
		return err
	}
	view := l.view(c, stored)
	a.status, a.location, a.change, a.trust = http.StatusCreated, l.path+"/"+url.PathEscape(id), true, l.trust
	a.body, a.etag = l.answered(view, out.warnings), l.tag(view)
	out.after = l.event(out.after, view)
	return h.record(c, tx, l.about(stored), out)
}

func (l *collection[T, V]) answered(view V, warnings []Warning) any {
	if l.answer == nil {
		return view
	}
	return l.answer(view, warnings)
}

// event is what the audit trail keeps of a state.
func (l *collection[T, V]) event(given any, view V) any {
	switch {
	case given != nil:
		return given
	case l.told != nil:
		return l.told(view)
	}
	return view
}

// registered is a collection whose records are registered: B is the body that does it,
// and of which a PATCH is a merge patch.
type registered[B, T, V any] struct {
	collection[T, V]
	member string           // of the body, that has the id: "/id"
	taken  string           // what is wrong with an id that is another one's
	idOf   func(*B) *string // the member

	body  func(T) (B, error) // the registration that would make the record what it is
	judge judge[B, T]
	kind  func(before *T, after B) audit.Kind
}

// judge holds a body to the rules that need no transaction; what is wrong goes into
// bad. What it returns holds it against other records and writes it, and may run
// again. Have is nil when the record is new.
type judge[B, T any] func(c *call, body B, have *T, bad *refusal.Invalid) write

type write func(ctx context.Context, tx storage.Tx) ([]Warning, error)

// create registers a record, under the id of the body or one that nobody has.
func (r *registered[B, T, V]) create(h *Handler, c *call) (*answer, error) {
	var body B
	bad, err := h.read(c, &body)
	if err != nil {
		return nil, err
	}
	id := orGenerated(*r.idOf(&body))
	*r.idOf(&body) = id
	put := r.judge(c, body, nil, &bad)
	if err := bad.Err(); err != nil {
		return nil, err
	}
	return h.update(c, func(ctx context.Context, tx storage.Tx, a *answer) error {
		if _, err := r.find(c, tx, id); err == nil {
			return refusal.Conflicting(refusal.Taken{Pointer: r.member, Detail: r.taken, Owner: id})
		} else if !errors.Is(err, storage.ErrNotFound) {
			return err
		}
		warnings, err := put(ctx, tx)
		if err != nil {
			return err
		}
		return r.added(h, c, tx, a, id, outcome{kind: r.kind(nil, body), warnings: warnings})
	})
}

// patch merges a patch into the registration of a record, which is then judged as a
// whole.
func (r *registered[B, T, V]) patch(h *Handler, c *call) (*answer, error) {
	patch, err := c.content()
	if err != nil {
		return nil, err
	}
	return r.change(h, c, func(ctx context.Context, tx storage.Tx, have T) (outcome, error) {
		present, err := r.body(have)
		if err != nil {
			return outcome{}, err
		}
		var body B
		bad, err := h.merge(patch, present, &body)
		if err != nil {
			return outcome{}, err
		}
		bad.Stays(r.member, *r.idOf(&present), *r.idOf(&body))
		put := r.judge(c, body, &have, &bad)
		if err := bad.Err(); err != nil {
			return outcome{}, err
		}
		warnings, err := put(ctx, tx)
		return outcome{kind: r.kind(&have, body), warnings: warnings}, err
	})
}
