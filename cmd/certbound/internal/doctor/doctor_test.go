package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/certbound/certbound/cmd/certbound/internal/config"
	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/resource/proxy"
	"github.com/certbound/certbound/storage"
	"github.com/certbound/certbound/storage/sqlite"
)

var now = time.Now().Truncate(time.Second)

func newExamination() *examination {
	return &examination{Config: Config{Clock: func() time.Time { return now }}}
}

// levels are the findings as "level check".
func (e *examination) levels() string {
	var all []string
	for _, f := range e.Findings {
		all = append(all, string(f.Level)+" "+f.Check)
	}
	return strings.Join(all, ", ")
}

func TestClock(t *testing.T) {
	for off, want := range map[time.Duration]string{
		0: "ok clock", time.Second: "ok clock", -2 * time.Second: "ok clock", 5 * time.Second: "warning clock", -5 * time.Second: "warning clock",
		12 * time.Second: "PROBLEM clock", -13 * time.Second: "PROBLEM clock", time.Hour: "PROBLEM clock",
	} {
		e := newExamination()
		e.clock(now.Add(off).UTC().Format(http.TimeFormat), now, now.Add(50*time.Millisecond))
		if got := e.levels(); got != want {
			t.Errorf("%s: %s, want %s", off, got, want)
		}
	}
	e := newExamination()
	if e.clock("", now, now); e.levels() != "warning clock" {
		t.Errorf("no Date: %s", e.levels())
	}
}

func TestExpiry(t *testing.T) {
	day := 24 * time.Hour
	for want, period := range map[string][2]time.Duration{
		"ok x":      {-day, 300 * day},
		"warning x": {-300 * day, 20 * day},
		"PROBLEM x": {-300 * day, -day},
	} {
		e := newExamination()
		e.expiry("x", "it", &x509.Certificate{NotBefore: now.Add(period[0]), NotAfter: now.Add(period[1])})
		if e.levels() != want {
			t.Errorf("%v: %s, want %s", period, e.levels(), want)
		}
	}
	e := newExamination()
	e.expiry("x", "short-lived", &x509.Certificate{NotBefore: now.Add(-time.Hour), NotAfter: now.Add(23 * time.Hour)})
	e.expiry("x", "early", &x509.Certificate{NotBefore: now.Add(time.Hour), NotAfter: now.Add(day)})
	if e.levels() != "ok x, PROBLEM x" {
		t.Error(e.levels())
	}
}

func TestSplit(t *testing.T) {
	one, two, three := errors.New("one"), errors.New("two"), errors.New("three")
	if all := split(errors.Join(one, errors.Join(two, three))); len(all) != 3 || !errors.Is(all[2], three) {
		t.Errorf("%q", all)
	}
	if all := split(fmt.Errorf("alone: %w", one)); len(all) != 1 {
		t.Errorf("%q", all)
	}
}

func TestServerChain(t *testing.T) {
	root := keystest.NewCA(t, "root")
	issuing := root.Intermediate(t, "issuing")
	pair := issuing.Server(t)
	alone := pair
	alone.Chain = nil
	mixed := pair
	mixed.Chain = []*x509.Certificate{keystest.NewCA(t, "issuing").Cert}
	for name, c := range map[string]struct {
		pair keystest.Pair
		want string
	}{
		"whole":   {pair, "ok server_certificate, ok server_certificate, ok server_name, ok server_chain"},
		"alone":   {alone, "ok server_certificate, ok server_name, PROBLEM server_chain"},
		"another": {mixed, "ok server_certificate, ok server_certificate, ok server_name, PROBLEM server_chain"},
	} {
		cert, key := c.pair.WriteFiles(t, t.TempDir(), "server")
		e := newExamination()
		e.serverCertificate(config.TLS{Certificate: config.Path(cert), Key: config.Path(key)}, "https://localhost:8443", root.Pool())
		if e.levels() != c.want {
			t.Errorf("%s: %s, want %s", name, e.levels(), c.want)
		}
	}
}

func TestUpstream(t *testing.T) {
	answering := func(status int) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		t.Cleanup(s.Close)
		return s.URL
	}
	mutual := httptest.NewUnstartedServer(http.NotFoundHandler())
	mutual.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	mutual.Config.ErrorLog = nil
	mutual.StartTLS()
	t.Cleanup(mutual.Close)
	for address, want := range map[string]string{
		answering(200): "warning upstream_bypass", answering(404): "warning upstream_bypass", answering(500): "warning upstream_bypass",
		answering(401): "ok upstream", mutual.URL: "ok upstream", "http://127.0.0.1:1": "PROBLEM upstream",
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		e := newExamination()
		e.upstream(t.Context(), &config.Proxy{}, proxy.Route{Path: "/a", Methods: []string{"GET"}, Upstream: u})
		if e.levels() != want {
			t.Errorf("%s: %s, want %s: %+v", address, e.levels(), want, e.Findings)
		}
	}
	e := newExamination()
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // nobody is asked: the scheme says enough
	e.upstream(ctx, &config.Proxy{}, proxy.Route{Path: "/{id}", Upstream: &url.URL{Scheme: "http", Host: "api.test"}})
	if !strings.HasPrefix(e.levels(), "warning upstream_plaintext") {
		t.Error(e.levels())
	}
}

func TestSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
	}()
	for mode, want := range map[os.FileMode]string{0o660: "ok upstream", 0o666: "warning upstream"} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		e := newExamination()
		if e.socket(path); e.levels() != want {
			t.Errorf("%04o: %s, want %s", mode, e.levels(), want)
		}
	}
	e := newExamination()
	if e.socket(path + "x"); e.levels() != "PROBLEM upstream" {
		t.Error(e.levels())
	}
}

func TestRecords(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	store, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	soonOver := keystest.NewCA(t, "soon", keystest.Validity(now.AddDate(-1, 0, 0), now.AddDate(0, 0, 10)))
	pairs := map[string]keystest.Pair{
		"fine":    keystest.SelfSigned(t, keystest.Validity(now.AddDate(0, -1, 0), now.AddDate(1, 0, 0))),
		"ending":  keystest.SelfSigned(t, keystest.Validity(now.AddDate(-1, 0, 0), now.AddDate(0, 0, 10))),
		"expired": keystest.SelfSigned(t, keystest.Expired()),
	}
	err = store.Update(t.Context(), func(tx storage.Tx) error {
		for name, ca := range map[string]*keystest.CA{"good": keystest.NewCA(t, "good"), "soon": soonOver} {
			if _, err := tx.PutTrustBundle(t.Context(), storage.TrustBundle{Name: name, AnchorsPEM: string(ca.CertPEM()), Status: storage.BundleActive, ContentHash: name, CreatedAt: now.UTC()}); err != nil {
				return err
			}
		}
		if err := tx.CreatePartner(t.Context(), storage.Partner{ID: "p", Name: "P", CreatedAt: now.UTC(), UpdatedAt: now.UTC()}); err != nil {
			return err
		}
		for id, pair := range pairs {
			client := storage.Client{ID: id, PartnerID: "p", Method: storage.SelfSignedTLSClientAuth, Generation: 1, CreatedAt: now.UTC(), UpdatedAt: now.UTC()}
			if err := tx.CreateClient(t.Context(), client); err != nil {
				return err
			}
			if err := tx.AddCertificate(t.Context(), storage.Certificate{
				Thumbprint: thumbprint.Of(pair.Cert), ClientID: id, DER: pair.Cert.Raw,
				NotBefore: pair.Cert.NotBefore.UTC(), NotAfter: pair.Cert.NotAfter.UTC(), CreatedAt: now.UTC(),
			}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	e := newExamination()
	e.bundles(t.Context(), store)
	e.registered(t.Context(), store)
	if want := "ok trust, warning trust, warning clients, warning clients, ok clients"; e.levels() != want {
		t.Errorf("%s, want %s\n%+v", e.levels(), want, e.Findings)
	}
	var text strings.Builder
	if err := e.Text(&text); err != nil || !strings.Contains(text.String(), "0 problems, 3 warnings") {
		t.Errorf("%v\n%s", err, text.String())
	}
}
