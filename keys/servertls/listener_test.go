package servertls_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"testing"

	"github.com/certbound/certbound/keys/keystest"
)

// RFC 9325 §3.1.1: what each setting lets in, and what it says about the rest.
func TestVersions(t *testing.T) {
	listeners := map[string]*running{"": start(t, "", nil), "1.3": start(t, "1.3", nil), "1.2": start(t, "1.2", nil)}
	for _, tt := range []struct {
		name, listener string
		min, max       uint16
		want           string // version, when it gets through
		detail         string // log line, when not
	}{
		{"1.3 by default", "", 0, 0, "TLS 1.3", ""},
		{"1.2 by default", "", 0, tls.VersionTLS12, "", "client offered only TLS 1.2; this listener requires TLS 1.3"},
		{"1.2 against 1.3", "1.3", 0, tls.VersionTLS12, "", "client offered only TLS 1.2; this listener requires TLS 1.3"},
		{"old against 1.3", "1.3", tls.VersionTLS10, tls.VersionTLS12, "",
			"client offered only TLS 1.2, TLS 1.1, TLS 1.0; this listener requires TLS 1.3"},
		{"1.3 is preferred", "1.2", 0, 0, "TLS 1.3", ""},
		{"1.2 against 1.2", "1.2", 0, tls.VersionTLS12, "TLS 1.2", ""},
		{"1.1 against 1.2", "1.2", tls.VersionTLS10, tls.VersionTLS11, "",
			"client offered only TLS 1.1, TLS 1.0; this listener requires TLS 1.2 or later"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := listeners[tt.listener]
			cfg := r.client()
			cfg.MinVersion, cfg.MaxVersion = tt.min, tt.max
			a, err := r.get(t, cfg)
			if tt.want != "" {
				if err != nil || a.TLSVersion != tt.want {
					t.Fatalf("got %v, %v", a, err)
				}
				return
			}
			if err == nil || err.Error() != "remote error: tls: protocol version not supported" {
				t.Fatalf("got %v, %v", a, err)
			}
			line := r.logged(t, "tls_handshake_failed")
			if line["detail"] != tt.detail || line["level"] != "WARN" || line["remote_addr"] == "" {
				t.Errorf("got %v\nwant %s", line, tt.detail)
			}
		})
	}
}

func TestLoweredVersionIsWarnedAbout(t *testing.T) {
	line := start(t, "1.2", nil).logged(t, "tls_version_lowered")
	if line["level"] != "WARN" {
		t.Errorf("got %v", line)
	}
}

// RFC 9325 §4.2: with TLS 1.2, ECDHE and AEAD only.
func TestSuites(t *testing.T) {
	byKey := map[string]*running{"EC": start(t, "1.2", nil), "RSA": start(t, "1.2", nil, keystest.RSA(2048))}
	good := map[string]string{
		"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "EC", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "EC",
		"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "EC",
		"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256":         "RSA", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "RSA",
		"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "RSA",
	}
	tried := 0
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if suite.SupportedVersions[0] == tls.VersionTLS13 {
			continue
		}
		tried++
		for key, r := range byKey {
			t.Run(suite.Name+" with "+key, func(t *testing.T) {
				cfg := r.client()
				cfg.MaxVersion, cfg.CipherSuites = tls.VersionTLS12, []uint16{suite.ID}
				_, err := r.get(t, cfg)
				if accepted, want := err == nil, good[suite.Name] == key; accepted != want {
					t.Errorf("accepted: %v (%v), want %v", accepted, err, want)
				}
			})
		}
	}
	if tried < 20 {
		t.Errorf("only %d suites were tried", tried)
	}
}

func TestCBCOnlyClientIsExplained(t *testing.T) {
	r := start(t, "1.2", nil)
	cfg := r.client()
	cfg.MaxVersion = tls.VersionTLS12
	cfg.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_256_CBC_SHA}
	if a, err := r.get(t, cfg); err == nil {
		t.Fatalf("got through: %v", a)
	}
	want := "client offered no cipher suite that is accepted here: with TLS 1.2 only ECDHE with AES-GCM or ChaCha20-Poly1305 is"
	if line := r.logged(t, "tls_handshake_failed"); line["detail"] != want {
		t.Errorf("got %v", line)
	}
}

// countingCache counts the sessions a client is offered to resume.
type countingCache struct {
	tls.ClientSessionCache
	stored int
}

func (c *countingCache) Put(key string, s *tls.ClientSessionState) {
	if s != nil {
		c.stored++
	}
	c.ClientSessionCache.Put(key, s)
}

// A session is never resumed: no ticket is handed out.
func TestNoResumption(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			r := start(t, "1.2", nil)
			cache := &countingCache{ClientSessionCache: tls.NewLRUClientSessionCache(10)}
			cfg := r.client()
			cfg.MaxVersion, cfg.ClientSessionCache = version, cache
			cfg.Certificates = []tls.Certificate{keystest.SelfSigned(t).TLS()}
			for range 3 {
				if a := r.mustGet(t, cfg); a.Resumed || a.Presented != 1 {
					t.Errorf("got %+v", a)
				}
			}
			if cache.stored != 0 {
				t.Errorf("%d tickets were handed out", cache.stored)
			}
		})
	}
}

// The CertificateRequest names no CA, and no server name switches it off
// (RFC 9325 §3.7).
func TestCertificateRequest(t *testing.T) {
	r := start(t, "1.2", nil)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, name := range []string{"localhost", "", "other.test", "LOCALHOST", "admin.localhost", "xn--nxasmq6b.test"} {
			t.Run(tls.VersionName(version)+" "+name, func(t *testing.T) {
				asked := 0
				cfg := &tls.Config{ServerName: name, MaxVersion: version,
					InsecureSkipVerify: true, //nolint:gosec // the name is wrong on purpose
					GetClientCertificate: func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
						asked++
						if len(info.AcceptableCAs) != 0 {
							t.Errorf("%d CA names are sent", len(info.AcceptableCAs))
						}
						return &tls.Certificate{}, nil
					}}
				if a := r.mustGet(t, cfg); asked != 1 || a.Presented != 0 {
					t.Errorf("asked %d times, %+v", asked, a)
				}
			})
		}
	}
}

func TestALPN(t *testing.T) {
	r := start(t, "", nil)
	for _, tt := range []struct {
		name   string
		offer  []string
		want   string
		detail string
	}{
		{"none", nil, "", ""},
		{"h2", []string{"h2"}, "h2", ""},
		{"both", []string{"http/1.1", "h2"}, "h2", ""},
		{"http/1.1", []string{"http/1.1"}, "http/1.1", ""},
		{"unknown", []string{"ftp"}, "",
			"client offered no application protocol (ALPN) that is spoken here: h2 and http/1.1 are"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := r.client()
			cfg.NextProtos = tt.offer
			conn, err := r.dial(t, cfg)
			if tt.detail != "" {
				if err == nil {
					t.Fatal("got through")
				}
				if line := r.logged(t, "tls_handshake_failed"); line["detail"] != tt.detail {
					t.Errorf("got %v", line)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			if got := conn.ConnectionState().NegotiatedProtocol; got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestHTTP2IsServed(t *testing.T) {
	r := start(t, "", nil)
	cfg := r.client()
	cfg.Certificates = []tls.Certificate{keystest.SelfSigned(t).TLS()}
	transport := &http.Transport{TLSClientConfig: cfg, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+r.addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.Proto != "HTTP/2.0" {
		t.Errorf("got %s", resp.Proto)
	}
}

// RFC 8705 §6.1: whatever the certificate, it is the application that answers.
func TestAnyCertificateGetsThroughTheHandshake(t *testing.T) {
	r, stranger := start(t, "1.2", nil), keystest.NewCA(t, "unknown CA")
	rsaStranger := keystest.NewCA(t, "unknown RSA CA", keystest.RSA(2048))
	for _, tt := range []struct {
		name string
		pair keystest.Pair
	}{
		{"self-signed", keystest.SelfSigned(t)},
		{"of an unknown CA", stranger.Client(t)},
		{"with a chain", stranger.Deep(t, 3).Client(t)},
		{"with too long a chain", stranger.Deep(t, 15).Client(t)},
		{"expired", stranger.Client(t, keystest.Expired())},
		{"not yet valid", stranger.Client(t, keystest.NotYetValid())},
		{"for servers", stranger.Client(t, keystest.EKU(x509.ExtKeyUsageServerAuth))},
		{"a CA's", stranger.Client(t, keystest.IsCA())},
		{"version 1", stranger.Client(t, keystest.Version1())},
		{"SHA-1", stranger.Client(t, keystest.SHA1())},
		{"MD5", rsaStranger.Client(t, keystest.MD5())},
		{"RSA 1024", stranger.Client(t, keystest.RSA(1024))},
		{"unknown critical extension", stranger.Client(t, keystest.CriticalExtension())},
		{"2000 names", stranger.Client(t, keystest.ManyDNS(2000))},
		{"Ed25519", stranger.Client(t, keystest.Ed25519())},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(tt.name+" "+tls.VersionName(version), func(t *testing.T) {
				cfg := r.client()
				cfg.MaxVersion, cfg.Certificates = version, []tls.Certificate{tt.pair.TLS()}
				if a, want := r.mustGet(t, cfg), 1+len(tt.pair.Chain); a.Presented != want {
					t.Errorf("the handler saw %d certificates, want %d", a.Presented, want)
				}
			})
		}
	}
	if a := r.mustGet(t, r.client()); a.Presented != 0 {
		t.Errorf("without a certificate the handler saw %d", a.Presented)
	}
}

// RFC 8705 §2: a certificate without its key is nothing.
func TestPossessionIsProved(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			r, victim, thief := start(t, "1.2", nil), keystest.SelfSigned(t), keystest.SelfSigned(t)
			cfg := r.client()
			cfg.MaxVersion = version
			cfg.Certificates = []tls.Certificate{{Certificate: [][]byte{victim.Cert.Raw}, PrivateKey: thief.Key}}
			if a, err := r.get(t, cfg); err == nil {
				t.Fatalf("got through: %+v", a)
			}
			want := "client did not prove possession of its certificate's private key"
			if line := r.logged(t, "tls_handshake_failed"); line["detail"] != want {
				t.Errorf("got %v", line)
			}
		})
	}
}
