package resource

import (
	"errors"
	"net/http"
	"slices"

	"github.com/certbound/certbound/resource/decision"
)

// Require returns middleware that lets a request through to the handler when it
// carries a valid token, bound to its certificate, with all of scopes. Anything
// else is answered here. The handler finds the token with [FromContext]. Each
// decision is logged exactly once, before the handler runs.
func (v *Verifier) Require(scopes ...string) func(http.Handler) http.Handler {
	return v.Enforce(Policy{AllOf: slices.Clone(scopes)})
}

// Enforce is Require for a whole [Policy].
func (v *Verifier) Enforce(p Policy) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			token, err := v.VerifyPolicy(r, p)
			if err != nil {
				v.refuse(w, r, err)
				return
			}
			v.sink.Put(r.Context(), &token.Decision)
			w.Header().Set(decision.RequestIDHeader, token.Decision.RequestID)
			next.ServeHTTP(w, r.WithContext(NewContext(r.Context(), token)))
		})
	}
}

// Middleware is Require without scopes: a valid token is enough, and the handler
// decides about the rest.
func (v *Verifier) Middleware(next http.Handler) http.Handler { return v.Require()(next) }

func (v *Verifier) refuse(w http.ResponseWriter, r *http.Request, err error) {
	var refusal *Refusal
	if !errors.As(err, &refusal) { // VerifyPolicy returns nothing else
		panic(err)
	}
	v.sink.Put(r.Context(), &refusal.Decision)
	refusal.Write(w)
}
