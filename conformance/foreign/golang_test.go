package foreign

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"testing"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/certbound/certbound/keys/keystest"
)

// goOAuth2 is the client that most programs in Go use, with an http.Client that
// presents the certificate. RFC 8705 §2 wants client_id in the form and nothing
// else: AuthStyleInParams without a secret.
func goOAuth2(t *testing.T) (version string, do func(*testing.T, request) outcome) {
	return moduleVersion(t, "golang.org/x/oauth2"), func(t *testing.T, r request) outcome {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		ctx = context.WithValue(ctx, oauth2.HTTPClient, mtlsClient(t, r))
		if r.Token != "" {
			source := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: r.Token, TokenType: "Bearer"})
			return get(t, oauth2.NewClient(ctx, source), r.API)
		}
		config := clientcredentials.Config{ClientID: r.ClientID, TokenURL: r.TokenEndpoint, AuthStyle: oauth2.AuthStyleInParams}
		token, err := config.Token(ctx)
		if refused := (*oauth2.RetrieveError)(nil); errors.As(err, &refused) {
			return outcome{refused.Response.StatusCode, string(refused.Body), "RetrieveError " + refused.ErrorCode}
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := json.Marshal(token)
		if err != nil {
			t.Fatal(err)
		}
		return outcome{http.StatusOK, string(body), ""}
	}
}

// mtlsClient is an http.Client with the certificate and CA of the request.
func mtlsClient(t *testing.T, r request) *http.Client {
	t.Helper()
	ca, err := os.ReadFile(r.CA)
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	config.RootCAs.AppendCertsFromPEM(ca)
	if r.Cert != "" {
		pair, err := tls.LoadX509KeyPair(r.Cert, r.Key)
		if err != nil {
			t.Fatal(err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	transport := &http.Transport{TLSClientConfig: config}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

func get(t *testing.T, client *http.Client, address string) outcome {
	t.Helper()
	resp, err := client.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return outcome{resp.StatusCode, string(body), ""}
}

// moduleVersion is the version of a module that go.mod chooses.
func moduleVersion(t *testing.T, path string) string {
	t.Helper()
	return firstField(must(t, "", keystest.Program(t, "go"), "list", "-m", "-f", "{{.Version}}", path), 0)
}
