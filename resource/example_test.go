package resource_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"

	"github.com/certbound/certbound/resource"
	"github.com/certbound/certbound/resource/introspection"
	"github.com/certbound/certbound/resource/jwks"
)

// An API owner protects a handler: it runs only for a token of the issuer, for
// this API, with the scope, in the hands of the client it was issued to.
func Example() {
	verifier, err := resource.New(resource.Config{Issuer: "https://as.example", Audience: "https://api.example"})
	if err != nil {
		log.Fatal(err)
	}
	accounts := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := resource.FromContext(r.Context())
		fmt.Fprintf(w, "hello %s\n", token.Partner)
	})
	http.Handle("/accounts", verifier.Require("accounts:read")(accounts))

	// The server has to ask for the client's certificate; it needs no CA for it.
	server := &http.Server{Addr: ":8444", TLSConfig: &tls.Config{ClientAuth: tls.RequestClientCert, SessionTicketsDisabled: true}}
	log.Fatal(server.ListenAndServeTLS("server.pem", "server.key"))
}

// A router of one's own asks for the verdict, and decides what to do with it.
func ExampleVerifier_VerifyRequest() {
	verifier, err := resource.New(resource.Config{Issuer: "https://as.example", Audience: "https://api.example", Keys: jwks.Set{}})
	if err != nil {
		log.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "https://api.example/accounts", nil)
	token, err := verifier.VerifyRequest(r, "accounts:read")
	var refusal *resource.Refusal
	if errors.As(err, &refusal) {
		fmt.Println(refusal.Decision.Reason, refusal.Decision.Status, token == nil)
		w := httptest.NewRecorder()
		refusal.Write(w) // the challenge of RFC 6750 and the common body
		fmt.Println(w.Header().Get("WWW-Authenticate"))
	}
	// Output:
	// token_missing 401 true
	// Bearer realm="https://api.example"
}

// Middleware says what a route wants: all of these scopes, and one of those.
func ExampleVerifier_Enforce() {
	verifier, err := resource.New(resource.Config{
		Issuer: "https://as.example", Audience: "https://api.example", Keys: jwks.Set{}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		log.Fatal(err)
	}
	payments := verifier.Enforce(resource.Policy{AllOf: []string{"payments"}, AnyOf: []string{"sepa", "swift"}})(
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			token, _ := resource.FromContext(r.Context())
			fmt.Fprintf(w, "paid by %s\n", token.ClientID)
		}))
	w := httptest.NewRecorder()
	payments.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "https://api.example/payments", nil))
	fmt.Println(w.Code)
	// Output: 401
}

// Several authorization servers: each token is held to the keys, the audience and
// the revocations of the one that its iss names.
func ExampleConfig_issuers() {
	verifier, err := resource.New(resource.Config{Issuers: []resource.Issuer{
		{Issuer: "https://as.bank.example", Audience: "https://api.example"},
		{Issuer: "https://as.hub.example/production", Audience: "urn:bank:accounts"},
	}})
	fmt.Println(verifier != nil, err)

	_, err = resource.New(resource.Config{Issuers: []resource.Issuer{
		{Issuer: "https://as.bank.example", Audience: "https://api.example"},
		{Issuer: "https://as.bank.example", Audience: "https://other.example"},
	}})
	fmt.Println(err)
	// Output:
	// true <nil>
	// resource: Issuer "https://as.bank.example" is there twice
}

// A route that asks the authorization server about each token. The client needs
// the certificate by which the authorization server knows this API.
func ExamplePolicy_introspect() {
	pair, err := tls.LoadX509KeyPair("rs.pem", "rs.key")
	if err != nil {
		log.Fatal(err)
	}
	asker, err := introspection.New(introspection.Config{
		Issuer: "https://as.example", ClientID: "accounts-api",
		HTTPClient: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{pair}}}},
	})
	if err != nil {
		log.Fatal(err)
	}
	verifier, err := resource.New(resource.Config{Issuer: "https://as.example", Audience: "https://api.example", Introspection: asker})
	if err != nil {
		log.Fatal(err)
	}
	policy := resource.Policy{AllOf: []string{"payments:write"}, Introspect: true}
	if err := verifier.CheckPolicy(policy); err != nil { // at the start, not at the first payment
		log.Fatal(err)
	}
	http.Handle("/payments", verifier.Enforce(policy)(http.NotFoundHandler()))
}
