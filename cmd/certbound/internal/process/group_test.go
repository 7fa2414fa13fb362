package process_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/cmd/certbound/internal/process"
)

func TestGroupDrainsWhatIsUnderWay(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	started, release := make(chan struct{}), make(chan struct{})
	listener, err := process.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	group := &process.Group{Logger: slog.New(slog.DiscardHandler)}
	group.Add("slow", listener, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(started)
		<-release
		_, _ = io.WriteString(w, "answered")
	})})
	ended := make(chan error, 1)
	go func() { ended <- group.Run(ctx) }()
	answer := make(chan string, 1)
	go func() {
		client := &http.Client{Timeout: 10 * time.Second}
		resp, err := client.Get("http://" + listener.Addr().String())
		if err != nil {
			answer <- err.Error()
			return
		}
		defer func() { _ = resp.Body.Close() }()
		body, _ := io.ReadAll(resp.Body)
		answer <- string(body)
	}()
	<-started
	stop()
	close(release)
	if got := <-answer; got != "answered" {
		t.Errorf("the request under way got %q", got)
	}
	if err := <-ended; err != nil {
		t.Errorf("Run = %v, want nil after a stop", err)
	}
}

func TestGroupEndsWhenAListenerFails(t *testing.T) {
	broken, err := process.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	fine, err := process.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := broken.Close(); err != nil {
		t.Fatal(err)
	}
	group := &process.Group{Logger: slog.New(slog.DiscardHandler)}
	group.Add("fine", fine, &http.Server{Handler: http.NotFoundHandler()})
	group.Add("broken", broken, &http.Server{Handler: http.NotFoundHandler()})
	err = group.Run(t.Context())
	if err == nil || !strings.HasPrefix(err.Error(), "process: broken listener 127.0.0.1:") {
		t.Errorf("Run = %v, want the broken listener named", err)
	}
}

// TestGroupStopsInOrder: while the first listener finishes what is under way,
// the ones behind it still answer, and the probe says that no more should come.
func TestGroupStopsInOrder(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	group := &process.Group{Logger: slog.New(slog.DiscardHandler)}
	started, release := make(chan struct{}), make(chan struct{})
	add := func(name string, handler http.HandlerFunc) string {
		listener, err := process.Listen(t.Context(), "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		group.Add(name, listener, &http.Server{Handler: handler})
		return "http://" + listener.Addr().String()
	}
	behind := ""
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	ask := func(address string) (int, error) {
		response, err := client.Get(address)
		if err != nil {
			return 0, err
		}
		return response.StatusCode, response.Body.Close()
	}
	front := add("front", func(w http.ResponseWriter, _ *http.Request) {
		close(started)
		<-release
		status, err := ask(behind) // as a proxy asks its upstream
		if err != nil {
			t.Error(err)
		}
		w.WriteHeader(status)
	})
	ops := add("ops", func(w http.ResponseWriter, r *http.Request) {
		if err := group.Ready(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})
	behind = add("upstream", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })

	ended := make(chan error, 1)
	go func() { ended <- group.Run(ctx) }()
	answer := make(chan int, 1)
	go func() {
		status, err := ask(front)
		if err != nil {
			t.Error(err)
		}
		answer <- status
	}()
	<-started
	if status, err := ask(ops); status != http.StatusOK || err != nil {
		t.Errorf("before the stop: ops answers %d, %v", status, err)
	}
	stop()
	deadline := time.Now().Add(10 * time.Second)
	for {
		status, err := ask(ops)
		if err != nil {
			t.Fatalf("ops stopped before the front was drained: %v", err)
		}
		if status == http.StatusServiceUnavailable {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("ready ten seconds after the stop")
		}
	}
	close(release)
	if status := <-answer; status != http.StatusTeapot {
		t.Errorf("the request under way got %d, want what is behind it", status)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := group.Ready(t.Context()); err == nil || err.Error() != "process: stopping" {
		t.Errorf("Ready = %v", err)
	}
}
