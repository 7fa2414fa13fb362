package token

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certbound/certbound/authz/audit"
	"github.com/certbound/certbound/authz/clientauth"
	"github.com/certbound/certbound/authz/registry"
	"github.com/certbound/certbound/keys"
	"github.com/certbound/certbound/keys/keystest"
	"github.com/certbound/certbound/keys/peercert"
	"github.com/certbound/certbound/keys/thumbprint"
	"github.com/certbound/certbound/keys/trust"
	"github.com/certbound/certbound/storage"
)

// hung is a database whose disk does not answer.
type hung struct {
	storage.Store // whatever else is asked is a fault of the test

	versionAnswers, clientAnswers bool
}

func (h hung) RegistrationVersion(ctx context.Context) (int64, error) {
	if h.versionAnswers {
		return 1, nil
	}
	return 0, h.wait(ctx)
}

func (h hung) wait(ctx context.Context) error {
	<-ctx.Done()
	return fmt.Errorf("storage: %w", ctx.Err())
}

func (h hung) Client(ctx context.Context, id string) (storage.Client, error) {
	if h.clientAnswers {
		return storage.Client{ID: id, PartnerID: "acme", Method: storage.SelfSignedTLSClientAuth}, nil
	}
	return storage.Client{}, h.wait(ctx)
}

func (h hung) CertificateDenied(ctx context.Context, _ thumbprint.Thumbprint) (bool, error) {
	return false, h.wait(ctx)
}

func (h hung) ClientCertificates(ctx context.Context, _ string) ([]storage.Certificate, error) {
	return nil, h.wait(ctx)
}

func (h hung) API(ctx context.Context, _ string) (storage.API, error) {
	return storage.API{}, h.wait(ctx)
}

func (h hung) APIByAudience(ctx context.Context, _ string) (storage.API, error) {
	return storage.API{}, h.wait(ctx)
}

func (h hung) APIsOwningScopes(ctx context.Context, _ []string) ([]storage.API, error) {
	return nil, h.wait(ctx)
}

func (h hung) SigningAlgorithms(ctx context.Context) ([]string, error) { return nil, h.wait(ctx) }

type unused struct{}

func (unused) Signer(context.Context, string) (*keys.Signer, error) {
	return nil, errors.New("nothing is to be signed")
}

func (unused) Record(context.Context, audit.Event) error {
	return errors.New("nothing is to be recorded")
}
func (unused) Refused(audit.Event) {}

func (unused) Note(context.Context, string, int64, *peercert.Peer) error {
	return errors.New("nobody is to be noted")
}

// TestHungDisk: a request does not wait for the database for ever, whichever
// read hangs.
func TestHungDisk(t *testing.T) {
	pair := keystest.SelfSigned(t)
	for _, records := range []hung{{}, {versionAnswers: true}, {versionAnswers: true, clientAnswers: true}} {
		synctest.Test(t, func(t *testing.T) {
			clock := func() time.Time { return pair.Cert.NotBefore.Add(time.Hour) }
			authenticator, err := clientauth.New(clientauth.Config{Records: records, Trust: trust.NewSet(nil, nil), Clock: clock})
			if err != nil {
				t.Fatal(err)
			}
			registered, err := registry.New(records, nil)
			if err != nil {
				t.Fatal(err)
			}
			endpoint, err := New(Config{
				Issuer: "https://as.example", Authenticator: authenticator, Records: registered, Signers: unused{}, Audit: unused{}, Seen: unused{},
				Clock: clock, Logger: slog.New(slog.DiscardHandler),
			})
			if err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequest(http.MethodPost, "/oauth2/token", strings.NewReader("grant_type=client_credentials&client_id=edge"))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.TLS = &tls.ConnectionState{HandshakeComplete: true, PeerCertificates: []*x509.Certificate{pair.Cert}}
			// Without a limit of its own the request would end with this one.
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			w, begin := httptest.NewRecorder(), time.Now()
			endpoint.ServeHTTP(w, r.WithContext(ctx))
			if waited := time.Since(begin); waited < storageTimeout || waited > storageTimeout+sharedFor {
				t.Errorf("it waited %s, want %s and hardly more", waited, storageTimeout)
			}
			if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), `"storage_unavailable"`) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}
