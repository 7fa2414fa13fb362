package inspect_test

import (
	"crypto/tls"
	"net"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/certbound/certbound/cmd/certbound/internal/inspect"
	"github.com/certbound/certbound/keys/keystest"
)

func TestIsAddress(t *testing.T) {
	for text, want := range map[string]bool{
		"as.example:8443": true, "127.0.0.1:443": true, "[::1]:443": true,
		"client.pem": false, "-": false, ":443": false, "as.example:": false, "as.example:https": false, "as.example:70000": false, "as.example:0": false,
	} {
		if got := inspect.IsAddress(text); got != want {
			t.Errorf("IsAddress(%q) = %t", text, got)
		}
	}
}

// TestPresented: also by a server that only speaks TLS 1.2 and lets in nobody without
// a certificate; what speaks no TLS presents none.
func TestPresented(t *testing.T) {
	pair := keystest.NewCA(t, "servers").Intermediate(t, "issuing").Server(t)
	for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewUnstartedServer(nil)
			server.TLS = &tls.Config{
				Certificates: []tls.Certificate{pair.TLS()}, ClientAuth: tls.RequireAndVerifyClientCert,
				MinVersion: version, MaxVersion: version,
			}
			server.StartTLS()
			defer server.Close()
			file, err := inspect.Presented(t.Context(), server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			if len(file.Certificates) != 2 || !file.Leaf().Equal(pair.Cert) {
				t.Errorf("%d certificates, the first %s", len(file.Certificates), file.Leaf().Subject)
			}
		})
	}
	plain := httptest.NewServer(nil)
	defer plain.Close()
	if _, err := inspect.Presented(t.Context(), plain.Listener.Addr().String()); err == nil || !strings.Contains(err.Error(), "presents no certificate") {
		t.Errorf("without TLS: %v", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close() // nobody listens there now
	if _, err := inspect.Presented(t.Context(), listener.Addr().String()); err == nil || !strings.HasPrefix(err.Error(), "inspect: dial tcp") {
		t.Errorf("nobody there: %v", err)
	}
}
