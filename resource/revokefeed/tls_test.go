package revokefeed_test

import (
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/resource/decision"
	"github.com/certbound/certbound/resource/revokefeed"
)

// listen puts the server on a real TLS listener that wants the client's
// certificate, and returns a client configuration that has it.
func (s *server) listen(t *testing.T) (url string, client *http.Client) {
	t.Helper()
	ca := keystest.NewCA(t, "servers")
	own := ca.Client(t, keystest.CommonName("accounts-api"))
	listener := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := thumbprint.Of(r.TLS.PeerCertificates[0]); !got.Equal(thumbprint.Of(own.Cert)) {
			t.Errorf("asked with the certificate %s", got)
		}
		s.ServeHTTP(w, r)
	}))
	listener.TLS = &tls.Config{
		MinVersion: tls.VersionTLS13, ClientAuth: tls.RequireAnyClientCert, SessionTicketsDisabled: true,
		Certificates: []tls.Certificate{ca.Server(t, keystest.IP("127.0.0.1")).TLS()},
	}
	listener.EnableHTTP2 = true
	listener.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(io.Discard, nil), slog.LevelInfo)
	listener.StartTLS()
	t.Cleanup(listener.Close)
	transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{
		MinVersion: tls.VersionTLS13, RootCAs: ca.Pool(), Certificates: []tls.Certificate{own.TLS()},
	}}
	t.Cleanup(transport.CloseIdleConnections)
	// A client made for short requests: its timeout must not end a long poll.
	return listener.URL, &http.Client{Transport: transport, Timeout: time.Millisecond}
}

// await waits for the question that shows what the follower knows by then.
func await(t *testing.T, s *server, want string) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		select {
		case got := <-s.questions:
			if got == want {
				return
			}
		case <-deadline:
			t.Fatalf("never asked %q", want)
		}
	}
}

// TestOverTLS is the follower on a real connection: from the first answer over
// two revocations and an outage back to the truth.
func TestOverTLS(t *testing.T) {
	s := newServer(t)
	url, client := s.listen(t)
	f := s.follow(t, func(c *revokefeed.FollowerConfig) {
		c.URL, c.HTTPClient = url+"/oauth2/revocations", client
	})
	await(t, s, "0 25s")
	expect(t, f, "", false)

	published := time.Now()
	s.publish(denyToken)
	await(t, s, "1 25s")
	if took := time.Since(published); took > time.Second {
		t.Errorf("a revocation took %v", took)
	}
	expect(t, f, decision.TokenRevoked, false)

	// The connection breaks in the middle of an answer, and again.
	broken := 0
	s.lie(func(w http.ResponseWriter, _ *http.Request) bool {
		if broken++; broken > 3 {
			return false
		}
		w.Header().Set("Content-Type", revokefeed.ContentType)
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte("eyJ"))
		panic(http.ErrAbortHandler)
	})
	s.publish(denyCertificate)
	await(t, s, "2 25s")
	expect(t, f, decision.CertificateRevoked, false)
	if f.LastError() != nil || f.Age() > 5*time.Second {
		t.Errorf("recovered: %v, age %v", f.LastError(), f.Age())
	}
}

// TestForeignServer: a server that the client's roots do not vouch for is not
// listened to.
func TestForeignServer(t *testing.T) {
	s := newServer(t)
	url, _ := s.listen(t)
	failed := make(chan string, 100)
	f := s.follow(t, func(c *revokefeed.FollowerConfig) {
		c.URL = url + "/oauth2/revocations"
		c.HTTPClient = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{
			MinVersion: tls.VersionTLS13, RootCAs: keystest.NewCA(t, "servers").Pool(),
		}}}
		c.Logger = slog.New(slog.NewTextHandler(lines(failed), nil))
	})
	select {
	case line := <-failed:
		if !strings.Contains(line, "revocations_poll_failed") || !strings.Contains(line, "certificate signed by unknown authority") {
			t.Errorf("logged %s", line)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("nothing was logged")
	}
	expect(t, f, "", true)
}

// lines is a writer that sends what is written.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}
