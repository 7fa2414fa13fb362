package admin

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"time"

	"github.com/certbound/certbound/authz/admin/etag"
	"github.com/certbound/certbound/authz/admin/idempotency"
	"github.com/certbound/certbound/authz/admin/listing"
	"github.com/certbound/certbound/authz/admin/refusal"
	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/storage"
)

// Preview is the answer to a dry run: nothing was stored. Before is missing where
// nothing was, After where nothing would be.
type Preview struct {
	DryRun bool `json:"dry_run"`
	Before any  `json:"before,omitempty" doc:"The record as it is."`
	After  any  `json:"after,omitempty" doc:"The record as it would be."`
}

// errDryRun undoes a transaction that was only to be tried.
var errDryRun = errors.New("admin: a dry run stores nothing")

// work reads, checks and writes in one transaction and says how it went. It may run
// again.
type work func(ctx context.Context, tx storage.Tx, a *answer) error

// errReplayed undoes a transaction: what was asked had been done before.
var errReplayed = errors.New("admin: the request was answered before")

// transaction is what runs work as a change; see change.
type transaction func(ctx context.Context, tx storage.Tx, do work) error

// update runs a change: by somebody who still may, once for each Idempotency-Key,
// with its audit event, or not at all.
func (h *Handler) update(c *call, do work) (*answer, error) {
	return h.change(c, func(within transaction) error {
		run := func() error {
			return h.Store.Update(c.Context(), func(tx storage.Tx) error { return within(c.Context(), tx, do) })
		}
		err := run()
		if conflict := (*storage.ConflictError)(nil); errors.As(err, &conflict) {
			// Another transaction took it between our look and our commit. Now the look
			// finds who.
			err = run()
		}
		return err
	})
}

// change is update for who has a transaction of its own: run calls within in it.
func (h *Handler) change(c *call, run func(within transaction) error) (*answer, error) {
	a := &answer{}
	// What was done before may be impossible by now, so look first.
	if again, err := c.replay(c.Context(), h.Store, a); again || err != nil {
		return a, err
	}
	err := run(func(ctx context.Context, tx storage.Tx, do work) error {
		*a = answer{}
		return h.within(ctx, c, tx, do, a)
	})
	switch {
	case errors.Is(err, errDryRun):
		return &answer{body: Preview{DryRun: true, Before: a.before, After: a.body}}, nil
	case err != nil && !errors.Is(err, errReplayed):
		return nil, err
	}
	return a, nil
}

func (h *Handler) within(ctx context.Context, c *call, tx storage.Tx, do work, a *answer) error {
	if err := stillCaller(ctx, tx, c.caller, h.Clock()); err != nil {
		return err
	}
	again, err := c.replay(ctx, tx, a) // of two at once one comes second
	if err != nil {
		return err
	}
	if again {
		return errReplayed
	}
	if err := do(ctx, tx, a); err != nil {
		return err
	}
	if err := c.conditionMet(); err != nil {
		return err
	}
	if c.dryRun {
		return errDryRun
	}
	return c.keep(ctx, tx, a)
}

// repeatable is the call as one that carries an Idempotency-Key, if it does.
func (c *call) repeatable() (idempotency.Request, bool) {
	key := c.Header.Get(idempotency.Header)
	if c.Method != http.MethodPost || c.dryRun || key == "" {
		return idempotency.Request{}, false
	}
	return idempotency.Request{ClientID: c.caller.client.ID, Key: key, Hash: idempotency.Hash(c.Request, c.sent), Now: c.now}, true
}

// replay gives the answer of the first request with this key, if there was one.
func (c *call) replay(ctx context.Context, from storage.IdempotencyReader, a *answer) (bool, error) {
	r, ok := c.repeatable()
	if !ok {
		return false, nil
	}
	was, again, err := r.Replay(ctx, from)
	if reused := (*idempotency.ReusedError)(nil); errors.As(err, &reused) {
		f := refusal.New(refusal.KeyReused, "the first request with this Idempotency-Key was another one")
		f.Errors = []refusal.FieldError{{Field: idempotency.Header, Detail: "was used at " + reused.At.Format(time.RFC3339) + " for another request"}}
		return false, f
	}
	if err != nil || !again {
		return false, err
	}
	*a = answer{status: was.Status, body: was.Body, etag: was.ETag, location: was.Location, replayed: true}
	return true, nil
}

// keep stores the answer for who asks again with this key.
func (c *call) keep(ctx context.Context, tx storage.Tx, a *answer) error {
	r, ok := c.repeatable()
	if !ok {
		return nil
	}
	body, err := json.Marshal(a.body)
	if err != nil {
		return err
	}
	return r.Keep(ctx, tx, idempotency.Answer{Status: a.code(), ETag: a.etag, Location: a.location, Body: body})
}

// options reads what every change takes beside its body, and refuses what it does
// not: a dry run that is overlooked would be a change.
func (c *call) options() error {
	if c.Method == http.MethodGet {
		return nil // lists read their query themselves
	}
	known := []string{}
	if c.route.doc.dry != nil {
		known = append(known, "dry_run")
	}
	q, err := listing.Read(c.Request, known...)
	if err != nil {
		return err
	}
	switch text := q.Text("dry_run"); text {
	case "", "false":
	case "true":
		c.dryRun = true
	default:
		q.Bad.Add("dry_run", "must be true or false")
	}
	if keys := c.Header.Values(idempotency.Header); len(keys) > 0 && c.Method == http.MethodPost && c.route.doc.dry == nil {
		q.Bad.Add(idempotency.Header, "is not taken here: the call can be repeated as it is")
	} else if err := idempotency.CheckKeys(keys); err != nil {
		q.Bad.Add(idempotency.Header, err.Error())
	}
	for _, name := range etag.NotTaken {
		if len(c.Header.Values(name)) > 0 {
			q.Bad.Add(name, "is not taken: If-Match is the one condition of a change")
		}
	}
	if err := q.Bad.Err(); err != nil {
		return err
	}
	if c.route.doc.match && len(c.Header.Values(etag.Header)) == 0 {
		return refusal.New(refusal.PreconditionRequired, "If-Match is missing")
	}
	return nil
}

// matches holds If-Match against the tag of the record that a change is about.
func (c *call) matches(tag string) bool {
	c.matched = true
	return etag.Matches(c.Header, tag)
}

// conditionMet undoes a change whose If-Match was held against nothing: what it makes
// dependent on a state would have been done in any (RFC 9110 §13.1.1).
func (c *call) conditionMet() error {
	if c.matched || len(c.Header.Values(etag.Header)) == 0 {
		return nil
	}
	var bad refusal.Invalid
	bad.Add(etag.Header, "is not taken here: there is no state to compare it with")
	return bad.Err()
}

// record writes the audit event of a change.
func (h *Handler) record(c *call, tx storage.Tx, about subject, out outcome) error {
	detail := map[string]any{}
	maps.Copy(detail, out.more)
	for name, value := range map[string]any{about.name: about.value, "reason": out.reason} {
		if value != "" {
			detail[name] = value
		}
	}
	for name, value := range map[string]any{"before": out.before, "after": out.after} {
		if value != nil {
			detail[name] = value
		}
	}
	event := c.event(out.kind, about.client, detail)
	event.Thumbprint = about.certificate
	return h.Audit.Append(c.Context(), tx, event)
}

// event is one about a client, done by the caller of this request.
func (c *call) event(kind audit.Kind, client storage.Client, detail map[string]any) audit.Event {
	detail["remote_addr"], detail["admin_jti"] = c.RemoteAddr, c.caller.token.ID
	return audit.Event{
		Time: c.now, Kind: kind, Partner: client.PartnerID, Client: client.ID,
		Actor: c.caller.client.ID, RequestID: c.decision.RequestID, Detail: detail,
	}
}
