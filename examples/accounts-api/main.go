// Accounts-api is an API in Go that protects itself with the verifier library: no
// proxy is in front of it. Reading accounts takes a certificate-bound access token
// with the scope accounts:read, in the hands it was issued to. Payments are worth
// a question to the authorization server about each token (RFC 7662).
//
//	accounts-api -issuer https://as.example -audience https://api.example -ca ca.pem \
//	  -cert server.pem -key server.key -client-id accounts-api -client-cert rs.pem -client-key rs.key
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/introspection"
)

// settings are the command line.
type settings struct {
	listen, issuer, audience, ca string
	cert, key                    string // of this server
	id, clientCert, clientKey    string // as the authorization server's client
}

func main() {
	var s settings
	flag.StringVar(&s.listen, "listen", "127.0.0.1:0", "address to listen on")
	flag.StringVar(&s.issuer, "issuer", "", "the authorization server")
	flag.StringVar(&s.audience, "audience", "", "the name of this API in tokens")
	flag.StringVar(&s.ca, "ca", "", "PEM file with the roots of the authorization server's certificate")
	flag.StringVar(&s.cert, "cert", "", "PEM file with this server's certificate")
	flag.StringVar(&s.key, "key", "", "PEM file with its key")
	flag.StringVar(&s.id, "client-id", "", "what the authorization server knows this API as")
	flag.StringVar(&s.clientCert, "client-cert", "", "PEM file with the certificate of that client")
	flag.StringVar(&s.clientKey, "client-key", "", "PEM file with its key")
	flag.Parse()
	if err := run(s); err != nil {
		log.Fatal(err)
	}
}

func run(s settings) error {
	issuer, err := issuerClient(s)
	if err != nil {
		return err
	}
	// 1. Whom to ask about tokens, where that is wanted.
	asker, err := introspection.New(introspection.Config{Issuer: s.issuer, ClientID: s.id, HTTPClient: issuer})
	if err != nil {
		return err
	}
	// 2. Which tokens are accepted. The keys come from the issuer's metadata.
	verifier, err := resource.New(resource.Config{Issuer: s.issuer, Audience: s.audience, HTTPClient: issuer, Introspection: asker})
	if err != nil {
		return err
	}
	// 3. What each route wants.
	routes := http.NewServeMux()
	routes.Handle("GET /accounts", verifier.Require("accounts:read")(http.HandlerFunc(accounts)))
	routes.Handle("GET /payments", verifier.Enforce(resource.Policy{AllOf: []string{"accounts:read"}, Introspect: true})(http.HandlerFunc(accounts)))
	return serve(s, routes)
}

// issuerClient reaches the authorization server over mutual TLS.
func issuerClient(s settings) (*http.Client, error) {
	pem, err := os.ReadFile(s.ca)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", s.ca)
	}
	pair, err := tls.LoadX509KeyPair(s.clientCert, s.clientKey)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots, Certificates: []tls.Certificate{pair}}
	return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}}, nil
}

func accounts(w http.ResponseWriter, r *http.Request) {
	token, _ := resource.FromContext(r.Context())
	_, _ = fmt.Fprintf(w, "accounts of %s\n", token.Partner)
}

// serve asks every caller for a certificate; it needs no CA for that, because a
// token names the one certificate it may be used with.
func serve(s settings, h http.Handler) error {
	pair, err := tls.LoadX509KeyPair(s.cert, s.key)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute,
		TLSConfig: &tls.Config{
			MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair},
			ClientAuth: tls.RequestClientCert, SessionTicketsDisabled: true,
		},
	}
	listener, err := net.Listen("tcp", s.listen)
	if err != nil {
		return err
	}
	fmt.Printf("listening on https://%s\n", listener.Addr())
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	go func() {
		<-ctx.Done()
		drain, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = server.Shutdown(drain) // what is not over by then is cut off
	}()
	if err := server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
