package servertls_test

import (
	"crypto/tls"
	"net/http"
	"testing"

	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/keys/servertls"
)

// TestAdopt: new connections get the new certificate, an open one goes on.
func TestAdopt(t *testing.T) {
	authority := keystest.NewCA(t, "servers")
	dir := t.TempDir()
	listener := func(name string) (*servertls.Listener, keystest.Pair) {
		pair := authority.Server(t)
		cert, key := pair.WriteFiles(t, dir, name)
		l, err := servertls.New(servertls.Config{CertificateFile: cert, KeyFile: key})
		if err != nil {
			t.Fatal(err)
		}
		return l, pair
	}
	l, first := listener("first")
	next, second := listener("second")
	srv := servertls.HTTPServer(http.HandlerFunc(describe), l.TLSConfig(), nil)
	r := serve(t, authority, srv)

	open, err := r.dial(t, r.client())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = open.Close() }()
	presents(t, open, first)
	l.Adopt(next)
	fresh, err := r.dial(t, r.client())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = fresh.Close() }()
	presents(t, fresh, second)
	if _, err := open.Write([]byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if n, err := open.Read(make([]byte, 100)); n == 0 || err != nil {
		t.Errorf("the open connection ended: %v", err)
	}
	if !l.NotAfter().Equal(second.Cert.NotAfter) {
		t.Errorf("NotAfter is %v", l.NotAfter())
	}
}

func presents(t *testing.T, conn *tls.Conn, want keystest.Pair) {
	t.Helper()
	if got := conn.ConnectionState().PeerCertificates[0]; !got.Equal(want.Cert) {
		t.Errorf("the server presents serial %v, want %v", got.SerialNumber, want.Cert.SerialNumber)
	}
}
