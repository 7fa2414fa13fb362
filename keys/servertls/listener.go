package servertls

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"
)

// Config says how a listener presents itself.
type Config struct {
	CertificateFile string // PEM, leaf first, then intermediates; required
	KeyFile         string // PEM, unencrypted; required; may be the same file
	// MinVersion is "1.3" or empty for TLS 1.3 only, or "1.2" to admit TLS 1.2
	// with ECDHE and AEAD as well.
	MinVersion string
	Logger     *slog.Logger     // warnings at start; nil means slog.Default()
	Clock      func() time.Time // nil means time.Now
}

// Listener holds what the TLS side of one listener needs.
type Listener struct {
	minVersion uint16
	clock      func() time.Time
	// The certificate is behind a pointer so that a new one can be swapped in
	// while connections are being accepted.
	certificate atomic.Pointer[tls.Certificate]
}

// suitesTLS12 are the suites of RFC 9325 §4.2: ephemeral key exchange and AEAD.
// Go's own default still has CBC suites. In TLS 1.3 all suites are of this kind
// and none can be chosen.
var suitesTLS12 = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// New loads the server's certificate and key. It fails, naming the file, on
// whatever clients would refuse later.
func New(c Config) (*Listener, error) {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	minVersion, err := parseVersion(c.MinVersion)
	if err != nil {
		return nil, err
	}
	pair, err := load(c.CertificateFile, c.KeyFile, c.Clock())
	if err != nil {
		return nil, err
	}
	l := &Listener{minVersion: minVersion, clock: c.Clock}
	l.certificate.Store(pair)
	if minVersion == tls.VersionTLS12 {
		c.Logger.Warn("tls_version_lowered", slog.String("detail",
			"TLS 1.2 is accepted on this listener: with it client certificates travel in the clear (RFC 8705 §8)"))
	}
	return l, nil
}

func parseVersion(s string) (uint16, error) {
	switch s {
	case "", "1.3":
		return tls.VersionTLS13, nil
	case "1.2":
		return tls.VersionTLS12, nil
	default:
		return 0, fmt.Errorf(`servertls: min_version %q is not known: use "1.3" (the default) or "1.2"`, s)
	}
}

// TLSConfig returns the listener's configuration. It is the same for every
// server name: neither SNI nor Host can choose a laxer one.
func (l *Listener) TLSConfig() *tls.Config {
	return &tls.Config{
		MinVersion:   l.minVersion,
		CipherSuites: suitesTLS12,
		NextProtos:   []string{"h2", "http/1.1"},
		Time:         l.clock,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return l.certificate.Load(), nil
		},
		// Asked for, not required: a client without one gets an answer in JSON
		// that says so, where an alert would come after the client's side of the
		// handshake and be lost. ClientCAs stays empty: its names would be sent
		// to every caller and tell who our partners are.
		ClientAuth: tls.RequestClientCert,
		// A resumed session would carry a certificate that was looked at in
		// another handshake, perhaps another day.
		SessionTicketsDisabled: true,
	}
}

// NotAfter returns the end of the server certificate's validity.
func (l *Listener) NotAfter() time.Time { return l.certificate.Load().Leaf.NotAfter.UTC() }

// Adopt puts the certificate and key of another listener, which have passed the
// checks of [New], in force for every handshake from now on. Open connections go
// on as they are. The minimum version is not adopted: it stands in a tls.Config
// that a server is using.
func (l *Listener) Adopt(other *Listener) { l.certificate.Store(other.certificate.Load()) }
