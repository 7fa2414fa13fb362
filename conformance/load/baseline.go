package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// baselineCommand is the first argument by which this program starts itself as
// one of the servers certbound is compared with.
const baselineCommand = "baseline"

// baselines are the least that does the job without certbound's checks.
var baselines = map[string]func(baseline) (http.Handler, error){
	"signer":   baseline.signer,
	"reverse":  baseline.reverse,
	"verifier": baseline.verifier,
	"upstream": baseline.upstream,
}

type baseline struct {
	target string // of a proxy
	jwks   string // file with the issuer's key set
}

func runBaseline(kind string, args []string) error {
	flags := flag.NewFlagSet(baselineCommand, flag.ExitOnError)
	listen := flags.String("listen", "", "address")
	certificate, key := flags.String("cert", "", "server certificate"), flags.String("key", "", "server key")
	var b baseline
	flags.StringVar(&b.target, "target", "", "upstream URL")
	flags.StringVar(&b.jwks, "jwks", "", "key set file")
	if err := flags.Parse(args); err != nil {
		return err
	}
	build, known := baselines[kind]
	if !known {
		return fmt.Errorf("no baseline %q", kind)
	}
	handler, err := build(b)
	if err != nil {
		return err
	}
	server := &http.Server{Addr: *listen, Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	if *certificate == "" {
		return server.ListenAndServe()
	}
	// The TLS of certbound's listeners: TLS 1.3, a certificate asked for, no tickets.
	server.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS13, ClientAuth: tls.RequestClientCert, SessionTicketsDisabled: true}
	return server.ListenAndServeTLS(*certificate, *key)
}

// signer answers every request with a JWT it signs with ES256, and does nothing
// else.
func (baseline) signer() (http.Handler, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{}).WithType("at+jwt"))
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		now := time.Now().Unix()
		token, err := jwt.Signed(signer).Claims(map[string]any{
			"iss": "https://localhost", "sub": "client", "aud": "https://localhost", "client_id": "client", "scope": "accounts:read",
			"iat": now, "exp": now + 300, "jti": rand.Text(), "cnf": map[string]string{"x5t#S256": rand.Text()},
		}).Serialize()
		if err != nil {
			http.Error(w, "sign", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": 300}) // a client that left is counted by the client
	}), nil
}

// reverse is net/http's reverse proxy with nothing in front.
func (b baseline) reverse() (http.Handler, error) {
	target, err := url.Parse(b.target)
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy, transport.MaxIdleConnsPerHost = nil, 100
	return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }, Transport: transport}, nil
}

// verifier is that proxy behind the two checks nobody can leave out: the
// signature, and the thumbprint of the certificate against the token's.
func (b baseline) verifier() (http.Handler, error) {
	next, err := b.reverse()
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(b.jwks)
	if err != nil {
		return nil, err
	}
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal(text, &keys); err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := checkBound(r, &keys); err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	}), nil
}

func checkBound(r *http.Request, keys *jose.JSONWebKeySet) error {
	compact, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !found || r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return errors.New("no token or no certificate")
	}
	token, err := jwt.ParseSigned(compact, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return err
	}
	found = false
	var claims struct {
		Confirmation struct {
			Thumbprint string `json:"x5t#S256"`
		} `json:"cnf"`
	}
	for _, key := range keys.Key(token.Headers[0].KeyID) {
		found = token.Claims(key.Key, &claims) == nil
	}
	if !found {
		return errors.New("signature")
	}
	sum := sha256.Sum256(r.TLS.PeerCertificates[0].Raw)
	if claims.Confirmation.Thumbprint != base64.RawURLEncoding.EncodeToString(sum[:]) {
		return errors.New("thumbprint")
	}
	return nil
}

// upstream is the API behind every proxy.
func (baseline) upstream() (http.Handler, error) {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"accounts":[]}`) // a proxy that left is counted by the client
	}), nil
}

// readPool reads a PEM file of roots.
func readPool(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s: no certificate", file)
	}
	return pool, nil
}
