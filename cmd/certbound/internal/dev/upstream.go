package dev

import (
	"encoding/json"
	"io"
	"net/http"
	"sync/atomic"
)

// upstream is the demo API behind the proxy: it answers every request with what
// it received, and counts. /hits is not counted and no route leads to it, so it
// can only be read directly.
type upstream struct{ hits atomic.Int64 }

// echo is the answer to every request.
type echo struct {
	Method  string      `json:"method"`
	Path    string      `json:"path"` // as it came, with the query
	Headers http.Header `json:"headers"`
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var answer any
	if r.URL.Path == "/hits" {
		answer = map[string]int64{"hits": u.hits.Load()}
	} else {
		u.hits.Add(1)
		_, _ = io.Copy(io.Discard, r.Body) // an API that does not read on cuts its callers off
		answer = echo{r.Method, r.RequestURI, r.Header}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer) // the caller may be gone; there is nobody to tell
}
