package admin_test

import (
	"sync"
	"testing"

	"github.com/certbound/certbound/authz/internal/authztest"
	"github.com/certbound/certbound/conformance/contract"
)

// promised is the served document, read once; every answer that a test of this
// package gets is held against it.
var promised struct {
	sync.Mutex
	contract *contract.Contract
	seen     map[string]bool // operations that were answered with success
}

func (w *world) keepsItsPromise(t testing.TB, method, path string, a authztest.Answer) {
	t.Helper()
	promised.Lock()
	defer promised.Unlock()
	if promised.contract == nil {
		served := as{w, w.HTTPClient(w.http, nil), ""}.fetch("GET", "/admin/v1/openapi.json")
		var err error
		if promised.contract, err = contract.New([]byte(served.Body)); err != nil {
			t.Fatal(err)
		}
		promised.seen = map[string]bool{}
	}
	id, err := promised.contract.Check(method, path, a.Status, a.Header, []byte(a.Body))
	if err != nil {
		t.Error(err)
	}
	if a.Status < 300 {
		promised.seen[id] = true
	}
}

func (a as) fetch(method, path string) authztest.Answer {
	a.w.T.Helper()
	return a.w.Do(a.client, a.request(method, path, ""))
}
