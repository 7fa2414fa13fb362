package admin

import (
	"context"
	"encoding/json"
	"errors"
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

// update runs a change: by somebody who still may, once for each Idempotency-Key,
// with its audit event, or not at all.
func (h *Handler) update(c *call, do work) (*answer, error) {
	a := &answer{}
	run := func() error {
		return h.Store.Update(c.Context(), func(tx storage.Tx) error {
			*a = answer{}
			return h.within(c, tx, do, a)
		})
	}
	err := run()
	if conflict := (*storage.ConflictError)(nil); errors.As(err, &conflict) {
		// Another transaction took it between our look and our commit. Now the look
		// finds who.
		err = run()
	}
	switch {
	case errors.Is(err, errDryRun):
		return &answer{body: Preview{DryRun: true, Before: a.before, After: a.body}}, nil
	case err != nil:
		return nil, err
	}
	return a, nil
}

func (h *Handler) within(c *call, tx storage.Tx, do work, a *answer) error {
	ctx := c.Context()
	if err := stillCaller(ctx, tx, c.caller); err != nil {
		return err
	}
	if c.dryRun {
		if err := do(ctx, tx, a); err != nil {
			return err
		}
		return errDryRun
	}
	key := c.Header.Get(idempotency.Header)
	if c.Method != http.MethodPost || key == "" {
		return do(ctx, tx, a)
	}
	return c.once(ctx, tx, key, do, a)
}

// once gives the answer of the first request with this key, if there was one, and
// otherwise keeps what this one gets.
func (c *call) once(ctx context.Context, tx storage.Tx, key string, do work, a *answer) error {
	r := idempotency.Request{ClientID: c.caller.client.ID, Key: key, Hash: idempotency.Hash(c.Request, c.sent), Now: c.now}
	was, again, err := r.Replay(ctx, tx)
	if reused := (*idempotency.ReusedError)(nil); errors.As(err, &reused) {
		f := refusal.New(refusal.KeyReused, "the first request with this Idempotency-Key was another one")
		f.Errors = []refusal.FieldError{{Field: idempotency.Header, Detail: "was used at " + reused.At.Format(time.RFC3339) + " for another request"}}
		return f
	}
	if err != nil {
		return err
	}
	if again {
		*a = answer{status: was.Status, body: was.Body, etag: was.ETag, location: was.Location, replayed: true}
		return nil
	}
	if err := do(ctx, tx, a); err != nil {
		return err
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
	if err := q.Bad.Err(); err != nil {
		return err
	}
	if c.route.doc.match && len(c.Header.Values(etag.Header)) == 0 {
		return refusal.New(refusal.PreconditionRequired, "If-Match is missing")
	}
	return nil
}

// record writes the audit event of a change.
func (h *Handler) record(c *call, tx storage.Tx, about subject, out outcome) error {
	detail := map[string]any{}
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
