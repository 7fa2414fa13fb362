package refusal

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/certbound/certbound/authz/registration"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/storage"
)

func TestOf(t *testing.T) {
	found := New(LastAdministrator, "x")
	for _, tt := range []struct {
		err    error
		reason decision.Reason
		status int
		text   string
	}{
		{fmt.Errorf("in a transaction: %w", found), LastAdministrator, 409, "refusal: last_administrator: x"},
		{fmt.Errorf("sqlite: %w", storage.ErrNotFound), RecordUnknown, 404, "refusal: record_unknown: the path names no record"},
		{storage.ErrStale, RecordStale, 412, "refusal: record_stale: " + storage.ErrStale.Error()},
		{&storage.ConflictError{Rule: "apis.audience"}, Conflict, 409, "refusal: conflict: " + (&storage.ConflictError{Rule: "apis.audience"}).Error()},
		{errors.New("disk full"), decision.StorageUnavailable, 503, "refusal: storage_unavailable: disk full"},
	} {
		f := Of(tt.err)
		if f.Reason != tt.reason || f.Public().Status != tt.status || f.Error() != tt.text {
			t.Errorf("%v: %v, status %d", tt.err, f, f.Public().Status)
		}
	}
	if f := Of(&storage.ConflictError{Rule: "apis.audience"}); f.Errors[0].Detail != "another API has this audience" {
		t.Errorf("%+v", f.Errors)
	}
}

// TestInvalid: each member is named, once, and what stands in it is left out.
func TestInvalid(t *testing.T) {
	var bad Invalid
	if bad.Err() != nil {
		t.Fatal("nothing is wrong")
	}
	bad.At("/name", "is too long")
	bad.Stays("/id", "a", "a")
	bad.Stays("/id", "a", "b")
	var faults registration.Faults
	faults.Add("name", errors.New("said already"))
	faults.Add("scopes[1]", errors.New(`scope "hunter2" is "hunter\"2"`))
	faults.Add("", errors.New("as a whole"))
	bad.Faults(faults)
	want := Invalid{
		{Field: "name", Pointer: "/name", Detail: "is too long"},
		{Field: "id", Pointer: "/id", Detail: "never changes"},
		{Field: "scopes.1", Pointer: "/scopes/1", Detail: `scope "…" is "…"`},
		{Field: "body", Detail: "as a whole"},
	}
	if diff := cmp.Diff(want, bad); diff != "" {
		t.Error(diff)
	}
	if f := Of(bad.Err()); f.Reason != InputInvalid || len(f.Errors) != len(want) {
		t.Errorf("%+v", f)
	}
}

// TestWrite: RFC 9457, a challenge with 401 (RFC 9110 §15.5.2), and no word of what
// only the operator may know.
func TestWrite(t *testing.T) {
	for _, tt := range []struct {
		f         *Refusal
		status    int
		header    string
		wantValue string
	}{
		{New(decision.TokenRevoked, "secret"), 401, "WWW-Authenticate", `Bearer realm="https://as.example/admin", error="invalid_token"`},
		{New(decision.StorageUnavailable, "secret"), 503, "Retry-After", "5"},
		{Conflicting(Taken{Pointer: "/id", Detail: "is taken", Owner: "acme"}), 409, "Content-Type", "application/problem+json"},
	} {
		w := httptest.NewRecorder()
		tt.f.Write(w, "https://as.example/admin", "r1")
		var body ProblemBody
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
			t.Fatal(err)
		}
		want := ProblemBody{
			Type: "urn:certbound:problem:" + string(tt.f.Reason), Title: tt.f.Public().Description, Status: tt.status,
			Reason: tt.f.Reason, RequestID: "r1", Errors: tt.f.Errors,
		}
		if diff := cmp.Diff(want, body); diff != "" || w.Code != tt.status || w.Header().Get(tt.header) != tt.wantValue {
			t.Errorf("%v: %d %v %s", tt.f, w.Code, w.Header(), diff)
		}
		if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get(decision.RequestIDHeader) != "r1" {
			t.Errorf("%v", w.Header())
		}
	}
}
