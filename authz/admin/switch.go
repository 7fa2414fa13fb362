package admin

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/oauth"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/storage"
)

// feedLife is how long resource servers are told of something: until the last
// token it can touch has expired, plus 60 s (design rule 11).
const feedLife = oauth.MaxTokenLifetime + time.Minute

func (h *Handler) disableClient(c *call) (*answer, *refusal) { return h.switchClient(c, true) }
func (h *Handler) enableClient(c *call) (*answer, *refusal)  { return h.switchClient(c, false) }

// switchClient disables or enables a client. What it finds done already it leaves
// alone, and records nothing.
func (h *Handler) switchClient(c *call, disable bool) (*answer, *refusal) {
	id, f := c.clientID()
	if f != nil {
		return nil, f
	}
	reason, f := c.reason(false)
	if f != nil {
		return nil, f
	}
	others, err := h.otherAdministrators(c.Context(), id, disable)
	if err != nil {
		return nil, unavailable(err)
	}
	a := &answer{}
	err = h.Store.Update(c.Context(), func(tx storage.Tx) error {
		a.change = false // it may run again
		view, err := h.switchIn(c, tx, change{id: id, disable: disable, reason: reason, others: others}, &a.change)
		if err == nil {
			a.body, a.etag = view, view.etag()
		}
		return err
	})
	if err != nil {
		return nil, unavailable(err)
	}
	return a, nil
}

// change is what is asked of a client.
type change struct {
	id      string
	disable bool
	reason  string
	others  []string // administrators who could undo it, as far as known before
}

func (h *Handler) switchIn(c *call, tx storage.Tx, want change, changed *bool) (*ClientView, error) {
	ctx := c.Context()
	if f := stillCaller(ctx, tx, c.caller); f != nil {
		return nil, f
	}
	client, view, err := readView(ctx, tx, want.id)
	if err != nil {
		return nil, err
	}
	if f := c.caller.mayTouch(client); f != nil {
		return nil, f
	}
	if f := c.matches(view); f != nil {
		return nil, f
	}
	if client.Disabled == want.disable {
		return view, nil
	}
	if want.disable {
		if err := notLast(ctx, tx, client, want.others); err != nil {
			return nil, err
		}
	}
	if err := h.write(c, tx, client, want); err != nil {
		return nil, err
	}
	*changed = true
	_, view, err = readView(ctx, tx, want.id)
	return view, err
}

// write changes the client, tells resource servers and records it, in the one
// transaction.
func (h *Handler) write(c *call, tx storage.Tx, client storage.Client, want change) error {
	ctx, before := c.Context(), client
	client.Disabled, client.UpdatedAt = want.disable, c.now
	kind := audit.ClientEnabled
	if want.disable {
		kind = audit.ClientDisabled
		client.Generation++ // its tokens are dead, and stay so when it is enabled again
	}
	if err := tx.UpdateClient(ctx, client); err != nil {
		return err
	}
	if want.disable {
		if err := denyGeneration(ctx, tx, client.ID, client.Generation, c.now); err != nil {
			return err
		}
	}
	return h.Audit.Append(ctx, tx, c.event(kind, client, map[string]any{
		"reason": want.reason,
		"before": map[string]any{"disabled": before.Disabled, "generation": before.Generation},
		"after":  map[string]any{"disabled": client.Disabled, "generation": client.Generation},
	}))
}

// denyGeneration tells resource servers the least generation that is valid.
func denyGeneration(ctx context.Context, tx storage.Tx, id string, least int64, now time.Time) error {
	_, err := tx.AppendFeed(ctx, []storage.FeedEntry{{
		Kind: storage.FeedClient, Action: storage.FeedDeny, Subject: id, MinGeneration: least,
		CreatedAt: now, ExpiresAt: now.Add(feedLife),
	}})
	return err
}

// event is one about a client, done by the caller of this request.
func (c *call) event(kind audit.Kind, client storage.Client, detail map[string]any) audit.Event {
	detail["remote_addr"], detail["admin_jti"] = c.RemoteAddr, c.caller.token.ID
	return audit.Event{
		Time: c.now, Kind: kind, Partner: client.PartnerID, Client: client.ID,
		Actor: c.caller.client.ID, RequestID: c.decision.RequestID, Detail: detail,
	}
}

// stillCaller asks again in the transaction: of two administrators who disable
// each other at the same time, one comes second.
func stillCaller(ctx context.Context, tx storage.Tx, c *caller) *refusal {
	now, err := tx.Client(ctx, c.client.ID)
	if err != nil {
		return unavailable(err)
	}
	if !enabled(now) || now.Generation != c.client.Generation || !slices.Equal(now.Scopes, c.client.Scopes) {
		return refuse(decision.ClientDisabled, "the administrator was changed while the request ran")
	}
	return nil
}

// matches holds If-Match, where there is one, against the present state.
func (c *call) matches(v *ClientView) *refusal {
	headers := c.Header.Values("If-Match")
	if len(headers) == 0 {
		return nil
	}
	for tag := range strings.SplitSeq(strings.Join(headers, ","), ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || tag == v.etag() {
			return nil
		}
	}
	return refuse(RecordStale, "If-Match names another state of the client")
}

// otherAdministrators returns who else holds admin:security. It is read before
// the transaction, which asks each of them again: one who came since is missed,
// and then the answer is a refusal too many, never an empty house.
func (h *Handler) otherAdministrators(ctx context.Context, id string, disable bool) ([]string, error) {
	if !disable {
		return nil, nil
	}
	holders, err := h.Lister.ClientsHolding(ctx, ScopeSecurity)
	if err != nil {
		return nil, err
	}
	var others []string
	for _, holder := range holders {
		if holder.ID != id {
			others = append(others, holder.ID)
		}
	}
	return others, nil
}

// notLast refuses to disable the last one who could enable it again.
func notLast(ctx context.Context, tx storage.Tx, client storage.Client, others []string) error {
	if !slices.Contains(client.Scopes, ScopeSecurity) {
		return nil
	}
	for _, id := range others {
		other, err := tx.Client(ctx, id)
		if err != nil {
			return err
		}
		if enabled(other) && slices.Contains(other.Scopes, ScopeSecurity) {
			return nil
		}
	}
	return refuse(LastAdministrator, "no other enabled client holds "+ScopeSecurity)
}
