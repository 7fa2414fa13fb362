package admin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/storage"
)

// answersKept is for how long the answer to a POST with an Idempotency-Key is given
// again.
const answersKept = 24 * time.Hour

const (
	idempotencyHeader = "Idempotency-Key"
	maxIdempotencyKey = 255 // characters
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
func (h *Handler) update(c *call, do work) (*answer, *refusal) {
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
		return nil, unavailable(err)
	}
	return a, nil
}

func (h *Handler) within(c *call, tx storage.Tx, do work, a *answer) error {
	ctx := c.Context()
	if f := stillCaller(ctx, tx, c.caller); f != nil {
		return f
	}
	key := c.Header.Get(idempotencyHeader)
	if c.Method != http.MethodPost || c.dryRun {
		key = ""
	}
	hash := c.requestHash()
	if key != "" {
		if done, err := replay(ctx, tx, c, key, hash, a); done || err != nil {
			return err
		}
	}
	if err := do(ctx, tx, a); err != nil {
		return err
	}
	if c.dryRun {
		return errDryRun
	}
	if key == "" {
		return nil
	}
	return keep(ctx, tx, c, key, hash, a)
}

// kept is an answer as it is stored.
type kept struct {
	ETag     string          `json:"etag,omitempty"`
	Location string          `json:"location,omitempty"`
	Body     json.RawMessage `json:"body"`
}

// replay gives the answer of the first request with this key, if there was one.
func replay(ctx context.Context, tx storage.Tx, c *call, key string, hash [sha256.Size]byte, a *answer) (bool, error) {
	stored, err := tx.IdempotentAnswer(ctx, c.caller.client.ID, key, c.now)
	if errors.Is(err, storage.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if stored.RequestHash != hash {
		f := refuse(KeyReused, "the first request with this Idempotency-Key was another one")
		f.errors = []fieldError{{Field: idempotencyHeader, Detail: "was used at " + stored.CreatedAt.Format(time.RFC3339) + " for another request"}}
		return false, f
	}
	var was kept
	if err := json.Unmarshal(stored.Response, &was); err != nil {
		return false, fmt.Errorf("admin: a kept answer: %w", err)
	}
	*a = answer{status: stored.Status, body: was.Body, etag: was.ETag, location: was.Location, replayed: true}
	return true, nil
}

func keep(ctx context.Context, tx storage.Tx, c *call, key string, hash [sha256.Size]byte, a *answer) error {
	body, err := json.Marshal(a.body)
	if err != nil {
		return err
	}
	response, err := json.Marshal(kept{a.etag, a.location, body})
	if err != nil {
		return err
	}
	status := a.status
	if status == 0 {
		status = http.StatusOK
	}
	return tx.KeepIdempotentAnswer(ctx, storage.IdempotentAnswer{
		ClientID: c.caller.client.ID, Key: key, RequestHash: hash, Status: status, Response: response,
		CreatedAt: c.now, ExpiresAt: c.now.Add(answersKept),
	})
}

// requestHash tells requests apart. Each part is preceded by its length.
func (c *call) requestHash() (hash [sha256.Size]byte) {
	sum := sha256.New()
	for _, part := range []string{c.Method, c.URL.EscapedPath(), c.URL.RawQuery, string(c.sent)} {
		fmt.Fprintf(sum, "%d:%s", len(part), part)
	}
	sum.Sum(hash[:0])
	return hash
}

// options reads what every change takes beside its body, and refuses what it does
// not: a dry run that is overlooked would be a change.
func (c *call) options() *refusal {
	if c.Method == http.MethodGet {
		return nil // lists read their query themselves
	}
	known := []string{}
	if c.route.doc.dry != nil {
		known = append(known, "dry_run")
	}
	q, f := newQuery(c.Request, known...)
	if f != nil {
		return f
	}
	switch text := q.text("dry_run"); text {
	case "", "false":
	case "true":
		c.dryRun = true
	default:
		q.bad.add("dry_run", "must be true or false")
	}
	if keys := c.Header.Values(idempotencyHeader); len(keys) > 0 {
		switch {
		case c.Method == http.MethodPost && c.route.doc.dry == nil:
			q.bad.add(idempotencyHeader, "is not taken here: the call can be repeated as it is")
		case len(keys) > 1 || !visible(keys[0]) || len(keys[0]) > maxIdempotencyKey:
			q.bad.add(idempotencyHeader, fmt.Sprintf("must be one value of 1 to %d visible ASCII characters", maxIdempotencyKey))
		}
	}
	if f := q.bad.refusal(); f != nil {
		return f
	}
	if c.route.doc.match && len(c.Header.Values("If-Match")) == 0 {
		return refuse(PreconditionRequired, "If-Match is missing")
	}
	return nil
}

func visible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}

// matches holds If-Match, where there is one, against the present state.
func (c *call) matches(etag string) *refusal {
	headers := c.Header.Values("If-Match")
	if len(headers) == 0 {
		return nil
	}
	for tag := range strings.SplitSeq(strings.Join(headers, ","), ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || tag == etag {
			return nil
		}
	}
	return refuse(RecordStale, "If-Match names another state of the record")
}

// etagOf is strong (RFC 9110 §8.8.1): it is made of the representation, version
// included, and so also tells what changes without the record's version, such as
// a client's certificates or the state of its partner.
func etagOf(view any) string {
	text, err := json.Marshal(view)
	if err != nil { // views are structs of texts, numbers and times
		panic(err)
	}
	sum := sha256.Sum256(text)
	return `"` + hex.EncodeToString(sum[:16]) + `"`
}

// record writes the audit event of a change of which before and after are views;
// either may be nil.
func (h *Handler) record(c *call, tx storage.Tx, kind audit.Kind, about storage.Client, before, after any, more ...any) error {
	detail := map[string]any{}
	for i := 0; i+1 < len(more); i += 2 {
		if name, ok := more[i].(string); ok && more[i+1] != "" {
			detail[name] = more[i+1]
		}
	}
	if before != nil {
		detail["before"] = before
	}
	if after != nil {
		detail["after"] = after
	}
	return h.Audit.Append(c.Context(), tx, c.event(kind, about, detail))
}
