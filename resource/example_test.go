package resource_test

import (
	"crypto/tls"
	"fmt"
	"log"
	"net/http"

	"github.com/certbound/certbound/resource"
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
