package demo

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/certbound/certbound/authz/admin"
	"github.com/certbound/certbound/authz/tokenclient"
	"github.com/certbound/certbound/keys/ca"
	"github.com/certbound/certbound/keys/thumbprint"
)

// holdsBy is how long a revocation may take to reach the proxy.
const holdsBy = 5 * time.Second

// revoke mints a certificate for the purpose, so that dev stays usable, gets a
// token with it, uses it, has an administrator revoke the certificate, and goes on
// using it over the connection that is open.
func (s *stage) revoke(ctx context.Context) (outcome, error) {
	who, err := s.mint()
	if err != nil {
		return outcome{}, err
	}
	defer who.http.CloseIdleConnections()
	token, err := s.tokenFor(ctx, acmeBilling, who.certificate, tokenclient.Request{Scopes: []string{"accounts:read"}})
	if err != nil {
		return outcome{}, err
	}
	s.token = token
	call := s.call(http.MethodGet, who)
	if first, err := call(ctx); err != nil || first.status != http.StatusOK {
		return first, err
	}
	if err := s.revokeCertificate(ctx, who.thumbprint); err != nil {
		return outcome{}, err
	}
	waited, cancel := context.WithTimeout(ctx, holdsBy)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		last, err := call(ctx)
		if err != nil || last.status != http.StatusOK {
			return last, err
		}
		select {
		case <-tick.C:
		case <-waited.Done():
			return last, nil
		}
	}
}

// mint makes a new certificate with acme-billing's name.
func (s *stage) mint() (*actor, error) {
	acme, err := s.info.Client(acmeBilling)
	if err != nil {
		return nil, err
	}
	uri, err := url.Parse(acme.Match["san_uri"])
	if err != nil {
		return nil, err
	}
	for _, bundle := range s.info.TrustBundles {
		if bundle.Name != acme.TrustBundle {
			continue
		}
		issuer, err := tls.LoadX509KeyPair(s.info.Path(bundle.CA), s.info.Path(bundle.CAKey))
		if err != nil {
			return nil, err
		}
		signer, ok := issuer.PrivateKey.(*ecdsa.PrivateKey)
		if !ok {
			return nil, fmt.Errorf("the key of %s is none that dev made", bundle.Name)
		}
		return s.mintFrom(&ca.Authority{Cert: issuer.Leaf, Key: signer}, uri)
	}
	return nil, fmt.Errorf("dev.json has no trust bundle %q", acme.TrustBundle)
}

func (s *stage) mintFrom(authority *ca.Authority, uri *url.URL) (*actor, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	leaf, err := authority.IssueClient(key.Public(), ca.ClientProfile{
		Subject: pkix.Name{CommonName: "minted by certbound demo"}, URIs: []*url.URL{uri},
		NotBefore: now.Add(-time.Minute), NotAfter: now.Add(time.Hour),
	})
	if err != nil {
		return nil, err
	}
	pair := tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
	a := newActor(s.roots, pair)
	a.certificate, a.thumbprint = pair, thumbprint.Of(leaf)
	return a, nil
}

// tokenFor gets a token with some certificate.
func (s *stage) tokenFor(ctx context.Context, id string, pair tls.Certificate, r tokenclient.Request) (string, error) {
	client, err := tokenclient.New(tokenclient.Config{TokenEndpoint: s.info.TokenEndpoint, ClientID: id, Certificate: pair, RootCAs: s.roots})
	if err != nil {
		return "", err
	}
	defer client.Close()
	token, err := client.Token(ctx, r)
	if err != nil {
		return "", err
	}
	return token.AccessToken, nil
}

// revokeCertificate is what an administrator does.
func (s *stage) revokeCertificate(ctx context.Context, t thumbprint.Thumbprint) error {
	pair, err := tls.LoadX509KeyPair(s.info.Path(s.info.AdminClient.Cert), s.info.Path(s.info.AdminClient.Key))
	if err != nil {
		return err
	}
	token, err := s.tokenFor(ctx, s.info.AdminClient.ClientID, pair, tokenclient.Request{
		Scopes: []string{admin.ScopeOperate}, Resource: s.info.AdminAudience,
	})
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]string{"reason": "shown by certbound demo"})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.info.Admin+"/admin/v1/certificates/"+t.String()+"/revoke", bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	administrator := newActor(s.roots, pair)
	defer administrator.http.CloseIdleConnections()
	var answer struct{ Reason, Detail string }
	status, err := exchange(administrator.http, request, &answer)
	if err == nil && status != http.StatusOK {
		err = errors.New("the admin API answered " + http.StatusText(status) + ": " + answer.Reason + " " + answer.Detail)
	}
	return err
}
