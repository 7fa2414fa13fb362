package servertls_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/keys/servertls"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func config(cert, key string) servertls.Config {
	return servertls.Config{
		CertificateFile: cert, KeyFile: key,
		Logger: slog.New(slog.DiscardHandler), Clock: func() time.Time { return now },
	}
}

func server(t *testing.T, opts ...keystest.Option) keystest.Pair {
	t.Helper()
	return keystest.NewCA(t, "server CA").Server(t, append([]keystest.Option{keystest.Now(now)}, opts...)...)
}

func TestNotAfter(t *testing.T) {
	cert, key := server(t).WriteFiles(t, t.TempDir(), "server")
	l, err := servertls.New(config(cert, key))
	if err != nil {
		t.Fatal(err)
	}
	if want := now.Add(24 * time.Hour); !l.NotAfter().Equal(want) {
		t.Errorf("got %s, want %s", l.NotAfter(), want)
	}
}

// What net/http would add by itself, or a socket would not show.
func TestTLSConfig(t *testing.T) {
	cert, key := server(t).WriteFiles(t, t.TempDir(), "server")
	l, err := servertls.New(config(cert, key))
	if err != nil {
		t.Fatal(err)
	}
	cfg := l.TLSConfig()
	if !slices.Equal(cfg.NextProtos, []string{"h2", "http/1.1"}) {
		t.Errorf("application protocols: %q", cfg.NextProtos)
	}
	if cfg.GetConfigForClient != nil || cfg.ClientCAs != nil || cfg.Certificates != nil {
		t.Error("a second configuration, CA names or a fixed certificate stand beside the one rule")
	}
	if !cfg.Time().Equal(now) {
		t.Error("the clock is not the listener's")
	}
	cfg.MinVersion = tls.VersionTLS10
	if l.TLSConfig().MinVersion != tls.VersionTLS13 {
		t.Error("a caller's change reaches other callers")
	}
}

// A file or a setting that cannot serve stops the start and is named.
func TestRefusesToStart(t *testing.T) {
	good := server(t)
	cert, key := good.CertPEM(), good.KeyPEM()
	other := server(t).KeyPEM()
	encrypted := pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte{0x30, 0}})
	broken := bytes.Replace(cert, []byte("MII"), []byte("***"), 1)
	notDER := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("no certificate")})
	certOf := func(opts ...keystest.Option) []byte {
		return server(t, append(opts, keystest.WithKey(good.Key))...).CertPEM()
	}
	for _, tt := range []struct {
		name      string
		cert, key []byte // nil: the file does not exist
		want      string
	}{
		{"no certificate file", nil, key, `servertls: certificate file "DIR/server.pem": no such file or directory`},
		{"no key file", cert, nil, `servertls: key file "DIR/server.key": no such file or directory`},
		{"empty certificate file", []byte(" \n"), key, `servertls: certificate file "DIR/server.pem": it is empty`},
		{"empty key file", cert, []byte{}, `servertls: key file "DIR/server.key": it is empty`},
		{"no PEM", []byte("hello"), key, `servertls: certificate file "DIR/server.pem": it holds no CERTIFICATE block in PEM`},
		{"key where the certificate goes", key, key, `servertls: certificate file "DIR/server.pem": it holds no CERTIFICATE block in PEM`},
		{"not DER", notDER, key, `servertls: certificate file "DIR/server.pem": certificate 0: x509: malformed certificate`},
		{"second one not DER", append(bytes.Clone(cert), notDER...), key,
			`servertls: certificate file "DIR/server.pem": certificate 1: x509: malformed certificate`},
		{"broken PEM", broken, key, `servertls: certificate file "DIR/server.pem": 1 PEM blocks begin in it, only 0 can be read`},
		{"broken PEM after a good one", append(bytes.Clone(cert), broken...), key,
			`servertls: certificate file "DIR/server.pem": 2 PEM blocks begin in it, only 1 can be read`},
		{"certificate where the key goes", cert, cert, `servertls: key file "DIR/server.key": it holds no PRIVATE KEY block in PEM`},
		{"encrypted key", cert, encrypted, `servertls: key file "DIR/server.key": the key is encrypted with a passphrase, which is not supported`},
		{"broken key", cert, bytes.Replace(key, []byte("M"), []byte("*"), 1), `servertls: key file "DIR/server.key": it holds no PRIVATE KEY block in PEM`},
		{"another's key", cert, other,
			`servertls: key file "DIR/server.key" with certificate file "DIR/server.pem": tls: private key does not match public key`},
		{"expired", certOf(keystest.Expired()), key, `servertls: certificate file "DIR/server.pem": peercert: certificate has expired: it ended 2026-11-22T11:00:00Z, now is 2026-11-22T12:00:00Z`},
		{"not yet valid", certOf(keystest.NotYetValid()), key, `servertls: certificate file "DIR/server.pem": peercert: certificate is not valid yet: it begins 2026-11-22T13:00:00Z, now is 2026-11-22T12:00:00Z`},
		{"SHA-1", certOf(keystest.SHA1()), key, `servertls: certificate file "DIR/server.pem": peercert: certificate is weak: it is signed with ECDSA-SHA1`},
		{"a client's", certOf(keystest.EKU(x509.ExtKeyUsageClientAuth)), key,
			`servertls: certificate file "DIR/server.pem": it is not a server certificate: its extended key usage does not include serverAuth`},
		{"nameless", certOf(keystest.DNS(), keystest.IP()), key,
			`servertls: certificate file "DIR/server.pem": it names no server: there is no DNS name or IP address in its subject alternative name (RFC 9525 §2)`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			certFile, keyFile := filepath.Join(dir, "server.pem"), filepath.Join(dir, "server.key")
			write(t, certFile, tt.cert)
			write(t, keyFile, tt.key)
			_, err := servertls.New(config(certFile, keyFile))
			wantError(t, err, strings.ReplaceAll(tt.want, "DIR", dir))
		})
	}
}

func TestRefusesSettings(t *testing.T) {
	cert, key := server(t).WriteFiles(t, t.TempDir(), "server")
	for _, tt := range []struct {
		name   string
		change func(*servertls.Config)
		want   string
	}{
		{"no certificate", func(c *servertls.Config) { c.CertificateFile = "" }, "servertls: no certificate file is named"},
		{"no key", func(c *servertls.Config) { c.KeyFile = "" }, "servertls: no key file is named"},
		{"TLS 1.1", func(c *servertls.Config) { c.MinVersion = "1.1" },
			`servertls: min_version "1.1" is not known: use "1.3" (the default) or "1.2"`},
		{"a name", func(c *servertls.Config) { c.MinVersion = "TLS 1.3" },
			`servertls: min_version "TLS 1.3" is not known: use "1.3" (the default) or "1.2"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := config(cert, key)
			tt.change(&c)
			_, err := servertls.New(c)
			wantError(t, err, tt.want)
		})
	}
}

// What may stand in the files beside the plain case.
func TestAccepts(t *testing.T) {
	pair := keystest.NewCA(t, "server CA").Intermediate(t, "issuing").Server(t, keystest.Now(now))
	comment := []byte("Bag Attributes\n    friendlyName: server\n")
	for name, files := range map[string][2][]byte{
		"chain":                 {pair.CertPEM(), pair.KeyPEM()},
		"text before":           {append(bytes.Clone(comment), pair.CertPEM()...), append(bytes.Clone(comment), pair.KeyPEM()...)},
		"both in each file":     {append(pair.KeyPEM(), pair.CertPEM()...), append(pair.CertPEM(), pair.KeyPEM()...)},
		"no extended key usage": {server(t, keystest.NoEKU(), keystest.WithKey(pair.Key)).CertPEM(), pair.KeyPEM()},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			certFile, keyFile := filepath.Join(dir, "server.pem"), filepath.Join(dir, "server.key")
			write(t, certFile, files[0])
			write(t, keyFile, files[1])
			if _, err := servertls.New(config(certFile, keyFile)); err != nil {
				t.Error(err)
			}
		})
	}
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if data == nil {
		return
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}
