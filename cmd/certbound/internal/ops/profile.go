package ops

import (
	"net/http"
	"net/http/pprof"
)

// WithProfiles adds /debug/pprof, the profiles of the running process as
// `go tool pprof` reads them. They show nothing of requests but cost CPU while
// they are taken, so they are off unless the configuration asks for them.
func WithProfiles(next http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", next)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}
