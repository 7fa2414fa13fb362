package admin_test

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/internal/authztest"
	"github.com/certbound/certbound/storage"
)

// TestManyDisableAndEnableAtOnce: whoever comes last, record, generation, feed and
// audit trail say the same of it, and no generation was given twice.
func TestManyDisableAndEnableAtOnce(t *testing.T) {
	w := newWorld(t)
	var group sync.WaitGroup
	for i := range 100 {
		caller, verb := w.as([]string{"root", "deputy"}[i%2]), []string{"disable", "enable"}[i/2%2]
		group.Go(func() {
			if a := caller.insist("POST", "/admin/v1/clients/client-a/"+verb, ""); a.Status != 200 {
				t.Errorf("%s: %d %s", verb, a.Status, a.Body)
			}
		})
	}
	group.Wait()
	client, err := w.Store.Client(t.Context(), "client-a")
	if err != nil {
		t.Fatal(err)
	}
	var generations []int64
	for _, e := range w.feed(t) {
		if e.Kind == storage.FeedClient && e.Subject == "client-a" {
			generations = append(generations, e.MinGeneration)
		}
	}
	disabled, enabled := len(w.Events(audit.ClientDisabled)), len(w.Events(audit.ClientEnabled))
	if disabled == 0 || disabled-enabled < 0 || disabled-enabled > 1 || client.Disabled != (disabled-enabled == 1) {
		t.Errorf("disabled %d times and enabled %d times, and is disabled: %v", disabled, enabled, client.Disabled)
	}
	if !slices.IsSorted(generations) || len(slices.Compact(slices.Clone(generations))) != disabled || generations[len(generations)-1] != client.Generation {
		t.Errorf("%d times disabled, the feed has %v, the client %d", disabled, generations, client.Generation)
	}
}

// TestRotateAndRevokeAtOnce: an administrator rotates while another revokes the key
// in an emergency. The revoked key signs nothing more and is published nowhere, and
// one that was not revoked signs.
func TestRotateAndRevokeAtOnce(t *testing.T) {
	w := newWorld(t)
	w.tend(t)
	stolen := w.Ring.KeyID()
	var group sync.WaitGroup
	send := func(who, path, body string) {
		caller := w.as(who)
		r := caller.request("POST", path, body)
		group.Go(func() {
			// Who comes after the revocation has a token that died by it.
			a, err := authztest.Do(caller.client, r)
			if err != nil || a.Status != 200 && a.Status != 401 {
				t.Errorf("%s: %d %s %v", path, a.Status, a.Body, err)
			}
		})
	}
	for range 4 {
		send("root", "/admin/v1/keys/rotate", "")
		send("deputy", "/admin/v1/keys/"+stolen+"/revoke", `{"reason":"stolen"}`)
		send("root", "/admin/v1/keys/rotate", `{"reason":"yearly"}`)
	}
	group.Wait()
	w.tend(t)
	if w.Ring.KeyID() == stolen || w.Ring.KeyID() == "" || strings.Contains(string(w.Ring.PublicJWKS()), stolen) {
		t.Errorf("%s signs after %s was revoked; published %s", w.Ring.KeyID(), stolen, w.Ring.PublicJWKS())
	}
	if n := len(w.Events(audit.KeyRevoked)); n != 1 {
		t.Errorf("revoked %d times", n)
	}
	list := decode[keyList](t, w.as("root").get("/admin/v1/keys"))
	if list.keyOf(t, "access_token", "active").KID != w.Ring.KeyID() {
		t.Errorf("the active key is %s, the ring signs with %s", list.keyOf(t, "access_token", "active").KID, w.Ring.KeyID())
	}
}
