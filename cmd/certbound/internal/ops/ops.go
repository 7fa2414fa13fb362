// Package ops is the listener for probes: /livez says that the process runs,
// /readyz that it can do its work, /metrics how it does it, in the text format of
// Prometheus. It is plain HTTP and shows causes, so it binds loopback unless its
// configuration names another address.
//
// What to probe and to measure is handed in; docs/metrics.md lists the metrics, and
// a test keeps the two equal.
package ops

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// Check is one thing a process needs in order to be ready.
type Check struct {
	Name  string
	Probe func(context.Context) error
	// Advisory says that the process does its work although the probe fails: the
	// report calls it degraded, the status stays 200.
	Advisory bool
}

// probeTimeout bounds one check: a probe that hangs is a probe that failed.
const probeTimeout = 2 * time.Second

// Address completes a listen address without a host to loopback.
func Address(listen string) string {
	if host, port, err := net.SplitHostPort(listen); err == nil && host == "" {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return listen
}

// Handler answers GET /livez, GET /readyz and GET /metrics. With ?verbose, /readyz
// lists every check and why it failed.
func Handler(metrics *Metrics, checks ...Check) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics.Handler())
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, "ok\n")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		report, ready := probe(r.Context(), checks)
		status, text := http.StatusOK, "ok\n"
		if !ready {
			status, text = http.StatusServiceUnavailable, "not ready\n"
		}
		if r.URL.Query().Has("verbose") {
			text = report + text
		}
		answer(w, status, text)
	})
	return mux
}

// probe runs every check, so that the report shows all that is wrong.
func probe(ctx context.Context, checks []Check) (report string, ready bool) {
	var b strings.Builder
	ready = true
	for _, check := range checks {
		if err := once(ctx, check); err != nil {
			mark := "[-]"
			if check.Advisory {
				mark = "[!] degraded:"
			}
			ready = ready && check.Advisory
			fmt.Fprintf(&b, "%s %s: %v\n", mark, check.Name, err)
			continue
		}
		fmt.Fprintf(&b, "[+] %s\n", check.Name)
	}
	return b.String(), ready
}

func once(ctx context.Context, check Check) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	return check.Probe(ctx)
}

func answer(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // the prober may be gone; there is nobody to tell
}
