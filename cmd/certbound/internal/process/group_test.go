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
