package proxy_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/certbound/certbound/resource/proxy"
)

// TestPanics: a fault of ours is a refusal like any other as long as nothing has
// been answered; afterwards the answer breaks off and nothing is added to it.
func TestPanics(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, protocols ...string) {
		begun := false
		w := newWorld(t, enable(protocols), func(_ *world, c *proxy.Config, _ *httptest.Server) {
			c.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
				if !begun {
					panic("a fault of ours")
				}
				pieces := []string{"half"}
				return okAnswer(r, &script{Reader: readerFunc(func(p []byte) (int, error) {
					if len(pieces) == 0 {
						panic("a fault of ours")
					}
					n := copy(p, pieces[0])
					pieces = pieces[1:]
					return n, nil
				}), before: func() {}}, -1), nil
			})
		})
		client := w.client(t, protocols...)
		res, err := client.Do(w.request(t.Context(), t, "GET", "/accounts", nil))
		must(t, err)
		a := &answer{Response: res}
		must(t, json.NewDecoder(res.Body).Decode(&a.json))
		must(t, res.Body.Close())
		line := w.expectRefusal(t, a, 500, "internal_error")
		if line["path"] != "/accounts" || line["journey"] != "api_request" {
			t.Errorf("logged %v", line)
		}
		begun = true
		res, err = client.Do(w.request(t.Context(), t, "GET", "/accounts", nil))
		must(t, err)
		defer res.Body.Close()
		if body, err := io.ReadAll(res.Body); err == nil || res.StatusCode != 200 || string(body) != "half" {
			t.Errorf("%d %q %v", res.StatusCode, body, err)
		}
		w.running.Wait()
		if line := w.log.one(t); line["outcome"] != "allow" {
			t.Errorf("logged %v", line)
		}
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
